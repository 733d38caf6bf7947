package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

type resubmitRow struct {
	Supplier string `json:"supplier"`
	Session  string `json:"session"`
	Kind     string `json:"kind"`
	Intent   string `json:"intent"`
	TxHash   string `json:"tx_hash"`
}

func resubmitCommand() *cobra.Command {
	a, yes := &accounts{}, false
	cmd := a.command(&cobra.Command{
		Use:   "resubmit SUPPLIER/SESSION",
		Short: "Have the leader claim, or prove, one session now and alone",
		Long: "Have the leader claim, or prove, one session now: without waiting for the next block or for archives, and in a\n" +
			"transaction of its own. It costs a fee. Refused unless the window is open and no transaction stands for it:\n" +
			"what is under way is sent every block anyway.",
		Args: exactArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		key, err := raftfsm.ParseSessionName(args[0])
		if err != nil {
			return usageError{err}
		}
		if !yes {
			fmt.Fprintf(cmd.ErrOrStderr(), "This sends a transaction of %s and costs its fee. Type the session to go on: ", key.Supplier)
			if err := confirmed(cmd, key.SessionID); err != nil {
				return err
			}
		}
		sent, err := adminpb.NewAdminClient(a.conn).ResubmitClaim(ctx, &adminpb.ResubmitClaimRequest{Supplier: key.Supplier, SessionId: key.SessionID})
		if err != nil {
			return err
		}
		return show(cmd, a.output, []resubmitRow{{
			Supplier: key.Supplier, Session: key.SessionID, Kind: sent.GetKind(), Intent: sent.GetIntent(), TxHash: fmt.Sprintf("%X", sent.GetTxHash()),
		}})
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
