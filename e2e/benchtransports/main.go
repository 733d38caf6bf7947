// Command benchtransports measures what a relayer of a devnet adds to each event of
// many streams at once, and what WebSockets that are open and idle cost it. The last
// line is a JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

const (
	relayer         = "relayer-1"
	socketService   = "eth"
	blocksInSession = 2000 // one session, however long it takes
	blockTime       = 5 * time.Second
)

// options are how much is opened.
type options struct {
	sockets, streams, events int
	pause                    time.Duration
}

// report is the JSON object.
type report struct {
	socketReport
	streamReport
}

func main() {
	var o options
	binary := flag.String("raftminer", "bin/raftminer", "raftminer binary")
	flag.IntVar(&o.sockets, "sockets", 1000, "idle WebSockets")
	flag.IntVar(&o.streams, "streams", 100, "streams at once")
	flag.IntVar(&o.events, "events", 100, "events of each")
	flag.DurationVar(&o.pause, "pause", 100*time.Millisecond, "between two events of a stream")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchtransports:", err)
		os.Exit(1)
	}
}

// bench is a network and who relays through it.
type bench struct {
	*devnet.Devnet
	options
	pid     int
	url     string // of the relayer, past the balancer
	backend string // of streams
	client  *gateway.Client
}

func run(ctx context.Context, binary string, o options) (err error) {
	b := &bench{options: o}
	if b.backend, err = startStreams(o); err != nil {
		return err
	}
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = blocksInSession
	b.Devnet, err = devnet.Start(ctx, devnet.Options{
		Chain:  pocketchain.Options{BlockTime: blockTime, Params: &params},
		Miners: 1, Relayers: 1, Binary: binary, Progress: os.Stderr, Edit: b.edit,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	b.pid, b.url = b.Manifest().Relayers[0].PID, b.Manifest().Relayers[0].URLs["jsonrpc"]
	if b.client, err = gateway.New(b.Chain().Conn(), b.Chain().Actors().Gateways[0].Key.Key); err != nil {
		return err
	}
	var r report
	if r.streamReport, err = b.measureStreams(ctx); err != nil {
		return fmt.Errorf("streams: %w", err)
	}
	if r.socketReport, err = b.measureSockets(ctx); err != nil {
		return fmt.Errorf("WebSockets: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// edit puts our backend behind the service that streams.
func (b *bench) edit(name string, file map[string]any) {
	if services, ok := file["services"].(map[string]any); ok && strings.HasPrefix(name, "relayer") {
		services[pocketchain.StreamService] = map[string]any{"backends": map[string]any{"rest": map[string]any{"url": b.backend}}}
	}
}

// session is that of a service's application now.
func (b *bench) session(ctx context.Context, service string) (*gateway.Session, error) {
	for _, app := range b.Chain().Actors().Applications {
		if app.Service == service {
			return b.client.Session(ctx, app.Address, service, b.Chain().Height())
		}
	}
	return nil, fmt.Errorf("no application is staked for %s", service)
}
