package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	takeovers = 20
	// takeoverRelays wait in the streams when an owner takes over.
	takeoverRelays = 500
)

// takeover is the time from acquiring the grown trees to the first flush, in
// which all that waited is stored. An owner that reads more than the paths to
// what it adds would not be at once.
func (b *bench) takeover(ctx context.Context) error {
	var times []time.Duration
	for range takeovers {
		before := b.traffic.nodes.Load()
		took, err := b.backlog(ctx, takeoverRelays, func() error { return b.own(ctx, b.near, 4096) })
		if err != nil {
			return err
		}
		times = append(times, took)
		b.report.TakeoverNodesRead = max(b.report.TakeoverNodesRead, b.traffic.nodes.Load()-before)
	}
	slices.Sort(times)
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.report.TakeoverP50Ms, b.report.TakeoverMaxMs = milliseconds(times[len(times)/2]), milliseconds(times[len(times)-1])
	b.report.TakeoverNodesStored = b.nodesStored(ctx)
	return nil
}

// nodesStored counts the nodes of every tree.
func (b *bench) nodesStored(ctx context.Context) (n int64) {
	keys, _ := b.server.rdb.Keys(ctx, b.keys.Namespace()+"*").Result()
	for _, key := range keys {
		if strings.Contains(key, ":nodes:") {
			n += b.server.rdb.HLen(ctx, key).Val()
		}
	}
	return n
}
