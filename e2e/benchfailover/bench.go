package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

const (
	firstFlushMetric = "ha_miner_first_flush_timestamp_seconds"
	poll             = 10 * time.Millisecond
	// outageLimit is when a round has failed.
	outageLimit = 30 * time.Second
	// settle lets relays flow between two rounds.
	settle = 300 * time.Millisecond
)

// rounds says what is done to leaders, and how often.
type rounds struct {
	Kills, Pauses, Transfers int
	Calm                     time.Duration
}

// result is the last line of the output.
type result struct {
	Kills         int     `json:"kills"`
	P50           float64 `json:"p50_ms"`
	P99           float64 `json:"p99_ms"`
	Max           float64 `json:"max_ms"`
	Pauses        int     `json:"pauses"`
	PauseP50      float64 `json:"pause_p50_ms"`
	PauseP99      float64 `json:"pause_p99_ms"`
	Transfers     int     `json:"transfers"`
	TransferP50   float64 `json:"transfer_p50_ms"`
	TransferP99   float64 `json:"transfer_p99_ms"`
	CalmSeconds   float64 `json:"calm_seconds"`
	CalmElections float64 `json:"calm_elections"`
}

type bench struct {
	net    *devnet.Devnet
	plan   rounds
	report func(format string, args ...any)
}

func (b *bench) run(ctx context.Context) (result, error) {
	r := result{Kills: b.plan.Kills, Pauses: b.plan.Pauses, Transfers: b.plan.Transfers, CalmSeconds: b.plan.Calm.Seconds()}
	if _, err := awaitFlow(ctx, b.net); err != nil {
		return r, err
	}
	if b.plan.Calm > 0 {
		elections, err := b.calm(ctx)
		if err != nil {
			return r, err
		}
		r.CalmElections = elections
	}
	kills, err := b.repeat(ctx, "kill", b.plan.Kills, b.kill)
	if err != nil {
		return r, err
	}
	pauses, err := b.repeat(ctx, "pause", b.plan.Pauses, b.pause)
	if err != nil {
		return r, err
	}
	transfers, err := b.repeat(ctx, "transfer", b.plan.Transfers, b.transfer)
	if err != nil {
		return r, err
	}
	r.P50, r.P99, r.Max = quantile(kills, 0.5), quantile(kills, 0.99), quantile(kills, 1)
	r.PauseP50, r.PauseP99 = quantile(pauses, 0.5), quantile(pauses, 0.99)
	r.TransferP50, r.TransferP99 = quantile(transfers, 0.5), quantile(transfers, 0.99)
	return r, nil
}

// repeat measures n outages of one kind.
func (b *bench) repeat(ctx context.Context, what string, n int, outage func(context.Context, string) (time.Duration, error)) ([]time.Duration, error) {
	var took []time.Duration
	for i := range n {
		leader, err := awaitFlow(ctx, b.net)
		if err != nil {
			return nil, err
		}
		d, err := outage(ctx, leader)
		if err != nil {
			return nil, fmt.Errorf("%s %d of %s: %w", what, i+1, leader, err)
		}
		b.report("%s %d: %s after %s", what, i+1, leader, d.Round(time.Millisecond))
		took = append(took, d)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(settle):
		}
	}
	slices.Sort(took)
	return took, nil
}

func (b *bench) kill(ctx context.Context, leader string) (time.Duration, error) {
	start := time.Now()
	if err := b.net.Kill(leader, syscall.SIGKILL); err != nil {
		return 0, err
	}
	d, err := b.awaitFlush(ctx, leader, start)
	return d, errors.Join(err, b.net.Restart(ctx, leader))
}

func (b *bench) pause(ctx context.Context, leader string) (time.Duration, error) {
	start := time.Now()
	if err := b.net.Kill(leader, syscall.SIGSTOP); err != nil {
		return 0, err
	}
	d, err := b.awaitFlush(ctx, leader, start)
	return d, errors.Join(err, b.net.Kill(leader, syscall.SIGCONT))
}

func (b *bench) transfer(ctx context.Context, leader string) (_ time.Duration, err error) {
	conn, err := raftfsm.DialAdmin(b.miner(leader).AdminAddr, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	start := time.Now()
	if _, err := adminpb.NewAdminClient(conn).TransferLeader(ctx, &adminpb.TransferLeaderRequest{}); err != nil {
		return 0, err
	}
	return b.awaitFlush(ctx, leader, start)
}

func (b *bench) miner(name string) devnet.ManifestProcess {
	for _, m := range b.net.Manifest().Miners {
		if m.Name == name {
			return m
		}
	}
	return devnet.ManifestProcess{}
}

// awaitFlush is the time from start to the first flush of a leader after old.
func (b *bench) awaitFlush(ctx context.Context, old string, start time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, outageLimit)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		for _, miner := range b.net.Manifest().Miners {
			if miner.Name == old {
				continue
			}
			seconds, err := b.net.Metric(ctx, miner.Name, firstFlushMetric)
			if flushed := time.Unix(0, int64(seconds*1e9)); err == nil && flushed.After(start) {
				return flushed.Sub(start), nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("nobody stored a relay: %w", ctx.Err())
		}
	}
}

// calm keeps every CPU busy and counts the elections that nothing called for.
func (b *bench) calm(ctx context.Context) (elections float64, err error) {
	before, err := b.leaderChanges(ctx)
	if err != nil {
		return 0, err
	}
	burn, stop := context.WithTimeout(ctx, b.plan.Calm)
	defer stop()
	b.report("watching for elections for %s with %d busy loops", b.plan.Calm, runtime.NumCPU())
	for range runtime.NumCPU() {
		go func() {
			for burn.Err() == nil {
				for range 1 << 20 { //nolint:revive // work for its own sake
				}
			}
		}()
	}
	<-burn.Done()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	after, err := b.leaderChanges(ctx)
	return after - before, err
}

func (b *bench) leaderChanges(ctx context.Context) (total float64, err error) {
	for _, miner := range b.net.Manifest().Miners {
		changes, err := b.net.Metric(ctx, miner.Name, "ha_raft_leader_changes_total")
		if err != nil {
			return 0, err
		}
		total += changes
	}
	return total, nil
}

// quantile is a quantile of sorted durations, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at].Microseconds()) / 1e3
}
