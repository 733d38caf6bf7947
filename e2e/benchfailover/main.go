// Command benchfailover measures how long the miners are without a leader that
// stores relays: real processes on loopback under relay load, whose leader is
// killed, stopped, or asked to hand over, again and again.
//
// The end of an outage is the moment that the next leader's first flush of its epoch
// was stored, by that leader's own clock, which is this machine's. The last line is a
// JSON object.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

const (
	// sessionBlocks make sessions that are long beside an outage. Between two of them
	// the load pauses for a block, and there is nothing to store.
	sessionBlocks = 100
	quietBlocks   = 15 // no round begins so close to a session's end
)

func main() {
	plan := rounds{}
	flag.IntVar(&plan.Kills, "kills", 50, "leaders to kill with SIGKILL")
	flag.IntVar(&plan.Pauses, "pauses", 20, "leaders to stop with SIGSTOP")
	flag.IntVar(&plan.Transfers, "transfers", 20, "leaders to ask for a hand-over")
	flag.DurationVar(&plan.Calm, "calm", 0, "before that: watch for elections for so long while all CPUs are busy")
	state := flag.String("state", "", "directory for logs and data, which is kept")
	rps := flag.Float64("rps", 40, "relays per second meanwhile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, plan, *rps, *state); err != nil {
		fmt.Fprintln(os.Stderr, "benchfailover:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, plan rounds, rps float64, state string) (err error) {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = sessionBlocks
	net, err := devnet.Start(ctx, devnet.Options{Progress: os.Stderr, StateDir: state, Chain: pocketchain.Options{Params: &params}})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := net.Close(); err == nil {
			err = closeErr
		}
	}()
	load, stopLoad := context.WithCancel(ctx)
	loadEnded := make(chan struct{})
	go func() {
		defer close(loadEnded)
		// It is cut off in the end: what matters here is that relays flow.
		if _, err := net.Drive(load, devnet.DriveOptions{Relays: 1e6, RPS: rps, Sessions: 1}); load.Err() == nil {
			fmt.Fprintln(os.Stderr, "benchfailover: relays flow no more:", err)
		}
	}()
	defer func() { stopLoad(); <-loadEnded }()
	b := &bench{net: net, plan: plan, report: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	result, err := b.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// awaitFlow waits until the leader stores relays, and will go on for a while.
func awaitFlow(ctx context.Context, net *devnet.Devnet) (leader string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	first := -1.0
	for {
		if leader, err = net.WaitLeader(ctx); err != nil {
			return "", err
		}
		flushes, err := net.Metric(ctx, leader, "ha_miner_flushes_total")
		mid := net.Chain().Height()%sessionBlocks < sessionBlocks-quietBlocks
		if err == nil && mid && first >= 0 && flushes > first {
			return leader, nil
		}
		first = max(first, flushes)
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no relay is stored: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
