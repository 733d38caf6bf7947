package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/relayload"
)

// service is the one that load is for. Its whole run is one session, and few
// blocks are made, since the chain shares a core with the client that measures.
const (
	service         = "eth"
	blocksInSession = 2000
	blockTime       = 5 * time.Second
	applications    = 3
)

// contestant is one of the relayers, on its core.
type contestant struct {
	name   string
	pid    int
	ops    string // http://host:port of its metrics
	client *relayload.Client
}

// network is a devnet with both relayers, their clients and their backend.
type network struct {
	*devnet.Devnet
	ours, stock *contestant
	stops       []func() error
}

// close stops everything that was started.
func (n *network) close() error {
	var errs []error
	for _, stop := range n.stops {
		errs = append(errs, stop())
	}
	if n.Devnet != nil {
		errs = append(errs, n.Devnet.Close())
	}
	return errors.Join(errs...)
}

func startNetwork(ctx context.Context, o options) (*network, error) {
	n := &network{}
	if err := n.start(ctx, o); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *network) start(ctx context.Context, o options) error {
	backend, stopBackend, err := startBackend(o.priority())
	if err != nil {
		return err
	}
	n.stops = append(n.stops, stopBackend)
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = blocksInSession
	pin := func(program ...string) []string {
		return slices.Concat([]string{"taskset", "-c", strconv.Itoa(o.core)}, o.priority(), program)
	}
	n.Devnet, err = devnet.Start(ctx, devnet.Options{
		Chain: pocketchain.Options{
			BlockTime: blockTime, Params: &params, ApplicationsPerService: applications,
			Services: pocketchain.DefaultServices()[:1],
		},
		Miners: 1, Relayers: 2, Binary: o.binary, Progress: os.Stderr,
		Command: map[string][]string{"relayer-1": pin(strings.Fields(o.ours)...), "relayer-2": pin(o.stock)},
		Edit: func(_ string, file map[string]any) {
			if services, ok := file["services"].(map[string]any); ok {
				services[service] = map[string]any{"backends": map[string]any{"jsonrpc": map[string]any{"url": backend}}}
			}
		},
	})
	if err != nil {
		return err
	}
	contestants := make([]*contestant, 2)
	for i, r := range n.Manifest().Relayers {
		want, _, _ := strings.Cut([]string{o.ours, o.stock}[i], " ")
		if got, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.PID)); got != want {
			return fmt.Errorf("%s runs %s, not %s", r.Name, got, want)
		}
		client, err := startClient(strings.TrimPrefix(r.URLs["jsonrpc"], "http://"), o.conns, o.priority())
		if err != nil {
			return err
		}
		n.stops = append(n.stops, client.Close)
		contestants[i] = &contestant{name: r.Name, pid: r.PID, ops: strings.TrimSuffix(r.MetricsURL, "/metrics"), client: client}
	}
	n.ours, n.stock = contestants[0], contestants[1]
	return o.hasten(n.Redis().PID())
}
