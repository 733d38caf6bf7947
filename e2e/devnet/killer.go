package devnet

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	flushMetric = "ha_miner_flushes_total"
	// flushPatience is how long after an election a flush may still be awaited:
	// a leader without relays to flush has nothing to show.
	flushPatience = 5 * time.Second
	pollInterval  = 5 * time.Millisecond
)

// Failover is one death of a leader and what followed.
type Failover struct {
	Killed, Elected string
	Election        time.Duration // SIGKILL to the next leader
	Flush           time.Duration // SIGKILL to its first flush; the election's time when none came
}

// KillLeader kills the leading miner with SIGKILL and waits until another one
// leads and flushes. The killed one stays dead until Restart.
func (d *Devnet) KillLeader(ctx context.Context) (Failover, error) {
	leader, err := d.WaitLeader(ctx)
	if err != nil {
		return Failover{}, err
	}
	before := make(map[string]float64)
	for _, n := range d.minerNodes() {
		sums, err := n.scrape(ctx)
		if err == nil {
			before[n.name] = sums[flushMetric]
		}
	}
	start := time.Now()
	if err := d.Kill(leader, os.Kill); err != nil {
		return Failover{}, err
	}
	f := Failover{Killed: leader}
	if err := d.awaitTakeover(ctx, start, before, &f); err != nil {
		return f, fmt.Errorf("failover of %s: %w", leader, err)
	}
	return f, nil
}

func (d *Devnet) awaitTakeover(ctx context.Context, start time.Time, before map[string]float64, f *Failover) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		for _, n := range d.minerNodes() {
			sums, err := n.scrape(ctx)
			if n.name == f.Killed || err != nil || sums[leaderMetric] != 1 {
				continue
			}
			elapsed := time.Since(start)
			if f.Elected != n.name {
				f.Elected, f.Election, f.Flush = n.name, elapsed, elapsed
			}
			if sums[flushMetric] > before[n.name] {
				f.Flush = elapsed
				return nil
			}
			if elapsed > f.Election+flushPatience {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
		}
	}
}
