package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// partition is a row of the answer.
type partition struct {
	Partition uint32 `json:"partition"`
	Holder    string `json:"holder"`
	Fence     string `json:"fence"`
}

func partitionsCommand(o *options) *cobra.Command {
	return asked(o, &cobra.Command{
		Use:   "partitions",
		Short: "List who holds each ingest partition, and under which fence, as one member knows it",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		rows, err := ask(ctx, o, askPartitions)
		if err != nil {
			return err
		}
		return list(p, rows)
	})
}

func askPartitions(ctx context.Context, c adminpb.AdminClient) ([]partition, error) {
	s, err := c.Status(ctx, &adminpb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	rows := make([]partition, 0, len(s.GetPartitions()))
	for _, h := range s.GetPartitions() {
		rows = append(rows, partition{Partition: h.GetPartition(), Holder: h.GetMember(), Fence: h.GetFence()})
	}
	return rows, nil
}

// partitionCounts is how many partitions each member holds.
func partitionCounts(holders []*adminpb.PartitionHolder) map[string]uint32 {
	counts := make(map[string]uint32)
	for _, h := range holders {
		counts[h.GetMember()]++
	}
	return counts
}
