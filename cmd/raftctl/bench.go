package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// measurement is how long one part of a decision takes.
type measurement struct {
	Measure string  `json:"measure"`
	Member  string  `json:"member"`
	Rounds  uint32  `json:"rounds"`
	P50MS   float64 `json:"p50_ms"`
	P99MS   float64 `json:"p99_ms"`
	MaxMS   float64 `json:"max_ms"`
	Error   string  `json:"error"`
}

func benchCommand(o *options) *cobra.Command {
	var rounds uint32
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what every decision waits for, from the leader",
		Long: `Measure what every decision waits for, from the leader: barrier is the way of a decision through the logs of a
quorum, fsync a durable write of 4 KiB to the leader's data directory, round_trip a question to a member.

It writes nothing but barriers to the log and does not hold up the group; it stops early when --timeout is near.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := askInspect(cmd.Context(), o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.BenchResponse, error) {
				return c.Bench(ctx, &adminpb.BenchRequest{Rounds: rounds})
			})
			if err != nil {
				return err
			}
			var rows []measurement
			var failed []error
			for _, m := range answer.GetMeasures() {
				rows = append(rows, measurement{
					Measure: m.GetWhat(), Member: m.GetMember(), Rounds: m.GetRounds(),
					P50MS: m.GetP50Ms(), P99MS: m.GetP99Ms(), MaxMS: m.GetMaxMs(), Error: m.GetError(),
				})
				if m.GetError() != "" {
					failed = append(failed, fmt.Errorf("%w: %s of %s: %s", errDegraded, m.GetWhat(), m.GetMember(), m.GetError()))
				}
			}
			return errors.Join(append([]error{list(o.printer(cmd), rows)}, failed...)...)
		},
	}
	cmd.Flags().Uint32VarP(&rounds, "rounds", "n", 100, "so many of each, at most 1000")
	return cmd
}
