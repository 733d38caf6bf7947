// Command clockjump sets the wall clocks of leading miners, one after the other, an
// hour ahead, an hour back and a month ahead, while relays flow. Nobody may notice:
// no election, no relay lost, the same state everywhere in the end.
//
// It takes a raftminer whose clock can be set, see scripts/test-clock.sh. The last
// line is a JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// jump is a clock that is set after a process ran for so long.
type jump struct {
	miner     string
	after, by time.Duration
}

// boot is how long the processes may take to start, and watched how long after its
// jump a leader is watched.
const (
	boot    = 10 * time.Second
	watched = 12 * time.Second
	relays  = 3600
	rps     = 40
)

func main() {
	binary := flag.String("raftminer", "bin/clock/raftminer", "binary whose clock can be set")
	raftctl := flag.String("raftctl", "bin/raftctl", "raftctl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *raftctl); err != nil {
		fmt.Fprintln(os.Stderr, "clockjump:", err)
		os.Exit(1)
	}
}

// result is the last line of the output.
type result struct {
	Jumps     int    `json:"jumps"`
	Elections int    `json:"elections"`
	Relays    int    `json:"relays"`
	Lost      uint64 `json:"lost"`
	SameState bool   `json:"same_state"`
}

func run(ctx context.Context, binary, raftctl string) (err error) {
	jumps := []jump{
		{"miner-1", 25 * time.Second, time.Hour}, {"miner-2", 50 * time.Second, -time.Hour}, {"miner-3", 75 * time.Second, 30 * 24 * time.Hour},
	}
	env := make(map[string][]string)
	for _, j := range jumps {
		env[j.miner] = []string{fmt.Sprintf("RAFTMINER_CLOCK_JUMP=%d@%d", int(j.by.Seconds()), int(j.after.Seconds()))}
	}
	start := time.Now()
	net, err := devnet.Start(ctx, devnet.Options{Binary: binary, Env: env, Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	if took := time.Since(start); took > boot {
		return fmt.Errorf("the devnet took %s to start", took.Round(time.Second))
	}
	c := &check{net: net, raftctl: raftctl}
	paid := make(chan error, 1)
	var report devnet.Report
	go func() {
		var err error
		report, err = net.Drive(ctx, devnet.DriveOptions{Relays: relays, RPS: rps, Sessions: 3})
		paid <- err
	}()
	for _, j := range jumps {
		if err := c.jump(ctx, j, start.Add(j.after+boot+watched)); err != nil {
			return err
		}
	}
	if err := <-paid; err != nil {
		return err
	}
	same := c.ctl(ctx, "verify") == nil
	r := result{Jumps: len(jumps), Elections: c.elections, Relays: report.RelaysAnswered, Lost: report.RelaysLost, SameState: same}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	if r.Elections > 0 || r.Lost > 0 || r.Relays != relays || !same || report.ClaimsSettled != report.ClaimsSubmitted {
		return fmt.Errorf("a clock that was set did harm: %+v", report)
	}
	return nil
}

type check struct {
	net       *devnet.Devnet
	raftctl   string
	elections int
}

// jump makes a miner lead, and watches it until its clock was set a while ago.
func (c *check) jump(ctx context.Context, j jump, until time.Time) error {
	if leader, err := c.net.WaitLeader(ctx); err != nil {
		return err
	} else if leader != j.miner {
		if err := c.ctl(ctx, "transfer-leader", j.miner); err != nil {
			return err
		}
	}
	term, err := c.term(ctx, j.miner)
	if err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(until) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		leads, err := c.net.Metric(ctx, j.miner, "ha_raft_is_leader")
		now, termErr := c.term(ctx, j.miner)
		if err = errors.Join(err, termErr); err != nil {
			return fmt.Errorf("%s, clock %+v: %w", j.miner, j.by, err)
		}
		if leads != 1 || now != term {
			c.elections++
			fmt.Fprintf(os.Stderr, "%s, clock set by %s: no longer leads in term %v\n", j.miner, j.by, term)
			return nil
		}
	}
	fmt.Fprintf(os.Stderr, "%s, clock set by %s: leads on in term %v\n", j.miner, j.by, term)
	return nil
}

func (c *check) term(ctx context.Context, miner string) (float64, error) {
	return c.net.Metric(ctx, miner, "ha_raft_term")
}

func (c *check) ctl(ctx context.Context, args ...string) error {
	for _, m := range c.net.Manifest().Miners {
		args = append(args, "--addr", m.AdminAddr)
	}
	out, err := exec.CommandContext(ctx, c.raftctl, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("raftctl %v: %w: %s", args, err, out)
	}
	return nil
}
