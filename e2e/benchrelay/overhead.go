package main

import (
	"context"
	"strconv"

	"github.com/raftminer/raftminer/e2e/relayload"
)

const (
	overheadRate    = 1000 // relays per second
	overheadSeconds = 4
)

// overhead is what a relayer adds to its backend's time: verification, signature
// and publication before the reply. The backend here answers at once, so it is the
// whole time of a reply, the way to the backend and back included.
func (b *bench) overhead(ctx context.Context, r *report) error {
	var s spent
	for round := range b.rounds {
		requests, _, err := b.source.Sign(ctx, overheadRate*overheadSeconds, "/"+strconv.Itoa(usualAnswer))
		if err != nil {
			return err
		}
		err = s.add(b.ours, func() (relayload.Result, error) {
			return relayload.Open(ctx, b.ours.client, requests, overheadRate, uint64(round))
		})
		if err != nil {
			return err
		}
	}
	r.OverheadP50, r.OverheadP99 = s.p50, s.p99
	return nil
}
