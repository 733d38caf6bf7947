// Command soakrelay has a relayer of a devnet serve a million relays over many
// sessions, and fails when its memory or its goroutines grow. The last line is a
// JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/soak"
)

// Sessions of a minute. A batch is signed for a session and sent until its grace
// period ends, whatever the machine is doing.
const (
	blockTime       = time.Second
	blocksInSession = 60
	graceBlocks     = 40
	between         = 5_000
	distinct        = 250
	applications    = 3
)

func main() {
	o := soak.Options{Service: "eth", Relayer: "relayer-1", Between: between, Distinct: distinct, Progress: os.Stderr}
	var limits soak.Limits
	flag.IntVar(&o.Relays, "relays", 1_000_000, "relays to serve")
	flag.IntVar(&o.Conns, "connections", 64, "connections of the client")
	flag.IntVar(&limits.WarmUp, "warm-up", 150_000, "of them, before memory and goroutines are judged")
	flag.Int64Var(&limits.Growth, "growth", 16<<20, "bytes that the line through the memory may rise")
	binary := flag.String("raftminer", "bin/raftminer", "raftminer binary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, o, limits); err != nil {
		fmt.Fprintln(os.Stderr, "soakrelay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, o soak.Options, limits soak.Limits) (err error) {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession, params.GracePeriod = blocksInSession, graceBlocks
	params.ClaimWindowOpen = graceBlocks + 1
	net, err := devnet.Start(ctx, devnet.Options{
		Chain: pocketchain.Options{
			BlockTime: blockTime, Params: &params, ApplicationsPerService: applications,
			Services: pocketchain.DefaultServices()[:1],
		},
		Miners: 1, Relayers: 1, Binary: binary, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	report, err := soak.Run(ctx, net, o)
	if err != nil {
		return err
	}
	verdict, judged := soak.Judge(report.Samples, limits)
	err = json.NewEncoder(os.Stdout).Encode(struct {
		soak.Report
		soak.Verdict
		OK bool `json:"ok"`
	}{report, verdict, judged == nil})
	return errors.Join(judged, err)
}
