package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/relayproxy/meter"
)

// meterRow is one session's budget, in relays.
type meterRow struct {
	Supplier    string `json:"supplier"`
	Session     string `json:"session"`
	Application string `json:"application"`
	Budget      int64  `json:"budget"`
	Used        int64  `json:"used"`   // as relayers last said: at each lease, and when they leave
	Leased      int64  `json:"leased"` // beyond that
	Left        int64  `json:"left"`   // for relayers to lease
	Relayers    int    `json:"relayers"`
}

func (v *redisView) meter(ctx context.Context, cmd *cobra.Command, args []string) error {
	infos, err := meter.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	var rows []meterRow
	for _, i := range infos {
		if len(args) > 0 && args[0] != i.Key.Supplier {
			continue
		}
		rows = append(rows, meterRow{
			Supplier: i.Key.Supplier, Session: i.Key.SessionID, Application: i.Application,
			Budget: i.Budget, Used: i.Used, Leased: i.Held - i.Used, Left: max(0, i.Budget-i.Held), Relayers: i.Relayers,
		})
	}
	return show(cmd, v.output, rows)
}
