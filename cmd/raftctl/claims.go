package main

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// intent is a transaction that was decided on: claims or proofs of one supplier.
type intent struct {
	Batch    string   `json:"batch"`
	Attempt  uint32   `json:"attempt"`
	Kind     string   `json:"kind"`
	Supplier string   `json:"supplier"`
	Sessions []string `json:"sessions" table:"-"`
	Count    int      `json:"session_count"`
	Status   string   `json:"status"`
	Code     uint32   `json:"code"`
	Height   int64    `json:"height"`
	Timeout  string   `json:"timeout"`
	Reason   string   `json:"reason"`
	TxHash   string   `json:"tx_hash" table:"-"`
}

func newIntent(r *adminpb.IntentRecord) intent {
	return intent{
		Batch: r.GetBatch(), Attempt: r.GetAttempt(), Kind: r.GetKind(), Supplier: r.GetSupplier(),
		Sessions: r.GetSessions(), Count: len(r.GetSessions()), Status: r.GetStatus(), Code: r.GetCode(),
		Height: r.GetHeight(), Timeout: timestamp(r.GetTimeoutUnixMs()), Reason: r.GetReason(),
		// as explorers and nodes write it
		TxHash: strings.ToUpper(hex.EncodeToString(r.GetTxHash())),
	}
}

func timestamp(unixMS int64) string {
	if unixMS == 0 {
		return ""
	}
	return time.UnixMilli(unixMS).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func claimsCommand(o *options) *cobra.Command {
	filter, limit := &adminpb.IntentsRequest{}, 0
	cmd := asked(o, &cobra.Command{
		Use:   "claims",
		Short: "List the transactions that were decided on, claims and proofs, and what became of them",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		rows, err := pages(limit, func(token string) ([]intent, string, error) { return askIntents(ctx, o, filter, token) })
		if err != nil {
			return err
		}
		return list(p, rows)
	})
	cmd.Flags().StringVar(&filter.Supplier, "supplier", "", "only those of this supplier")
	cmd.Flags().StringVar(&filter.Kind, "kind", "", "only claim, or only proof")
	cmd.Flags().StringVar(&filter.Status, "status", "", "only pending, landed or dead ones")
	limitFlag(cmd, &limit)
	return cmd
}

func askIntents(ctx context.Context, o *options, filter *adminpb.IntentsRequest, token string) ([]intent, string, error) {
	filter.PageToken = token
	answer, err := askInspect(ctx, o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.IntentsResponse, error) {
		return c.Intents(ctx, filter)
	})
	if err != nil {
		return nil, "", err
	}
	var rows []intent
	for _, r := range answer.GetIntents() {
		rows = append(rows, newIntent(r))
	}
	return rows, answer.GetNextPageToken(), nil
}
