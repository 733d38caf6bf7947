package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/raftminer/raftminer/e2e/relayload"
)

const (
	overheadRate    = 1000 // relays per second
	overheadSeconds = 4
)

// overhead is what a relayer adds to its backend's time: verification, signature
// and publication before the reply. The backend here answers at once, so it is the
// whole time of a reply, the way to the backend and back included. Of the rounds
// the one in the middle counts: a neighbour on the machine is not our overhead.
func (b *bench) overhead(ctx context.Context, r *report) error {
	var p50, p99 []float64
	for round := range b.rounds {
		requests, _, err := b.source.Sign(ctx, overheadRate*overheadSeconds, "/"+strconv.Itoa(usualAnswer))
		if err != nil {
			return err
		}
		result, err := b.ours.target.Open(ctx, requests, overheadRate, uint64(round))
		if err != nil {
			return err
		}
		p50 = append(p50, milliseconds(relayload.Quantile(result.Replies, 0.5)))
		p99 = append(p99, milliseconds(relayload.Quantile(result.Replies, 0.99)))
		say("overhead at %d relays/s: p50 %.2f ms, p99 %.2f ms", overheadRate, p50[round], p99[round])
	}
	r.OverheadP50, r.OverheadP99 = median(p50), median(p99)
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
