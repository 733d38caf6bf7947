package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/ingest"
)

// cacheRow is a kind of keys that relayers can do without.
type cacheRow struct {
	Kind   string `json:"kind"`
	Keys   int    `json:"keys"`
	Bytes  int64  `json:"bytes"`
	IfLost string `json:"if_lost"`
}

// cacheKinds is what losing each of them costs.
var cacheKinds = []cacheRow{
	{Kind: ingest.KindMeter, IfLost: "relayers say again what they hold of each session's budget"},
	{Kind: ingest.KindTally, IfLost: "relayers say again how many relays they published"},
	{Kind: ingest.KindAnswer, IfLost: "relayers ask a full node again"},
	{Kind: ingest.KindSeen, IfLost: "a simulated relay may be served a second time"},
}

func (v *redisView) cache(ctx context.Context, cmd *cobra.Command, _ []string) error {
	all, err := v.kinds(ctx)
	if err != nil {
		return err
	}
	var rows []cacheRow
	for _, row := range cacheKinds {
		if row.Keys, row.Bytes = all[row.Kind].Keys, all[row.Kind].Bytes; row.Keys > 0 {
			rows = append(rows, row)
		}
	}
	return show(cmd, v.output, rows)
}
