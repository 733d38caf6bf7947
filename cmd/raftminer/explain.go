package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// errNoSession: neither the group nor its ledger has it.
var errNoSession = errors.New("not known")

type happeningRow struct {
	Height int64  `json:"height"`
	Link   string `json:"link"`
	What   string `json:"what"`
	Broken bool   `json:"broken"`
}

func explainCommand() *cobra.Command {
	a := &accounts{}
	return a.command(&cobra.Command{
		Use:   "explain [SUPPLIER/]SESSION",
		Short: "The life of one session from its first relay to its settlement, and the link that broke",
		Long: "The life of one session from its first relay to its settlement, and the link that broke: served, sealed, claim,\n" +
			"proof or paid. Without a supplier, of every supplier that has the session.",
		Args: exactArgs(1),
	}, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		found, err := a.named(ctx, args[0])
		if err != nil {
			return err
		}
		for n, account := range found {
			happenings, verdict := ledger.Explain(account, a.windows(ctx, account.GetSession().GetEndHeight()))
			if a.output == "table" {
				if n > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				fmt.Fprintf(cmd.OutOrStdout(), "session %s of %s\n%s", account.GetSession().GetSessionId(), account.GetSession().GetSupplier(), ledger.Text(happenings, verdict))
				continue
			}
			var rows []happeningRow
			for _, h := range happenings {
				rows = append(rows, happeningRow{Height: h.Height, Link: h.Link, What: h.What})
			}
			rows = append(rows, happeningRow{Link: verdict.Link, What: verdict.Why, Broken: verdict.Broken})
			if err := show(cmd, a.output, rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// named are the sessions of a name, of all suppliers if it has none.
func (a *accounts) named(ctx context.Context, name string) ([]*adminpb.SessionResponse, error) {
	if key, err := raftfsm.ParseSessionName(name); err == nil {
		found, err := adminpb.NewInspectClient(a.conn).Session(ctx, &adminpb.SessionRequest{Supplier: key.Supplier, SessionId: key.SessionID})
		return []*adminpb.SessionResponse{found}, err
	}
	list, err := a.all(ctx)
	if err != nil {
		return nil, err
	}
	var found []*adminpb.SessionResponse
	for _, account := range list {
		if account.GetSession().GetSessionId() == name {
			found = append(found, account)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("session %s: %w", name, errNoSession)
	}
	return found, nil
}

// windows are those of sessions that end at a height, nil if no full node tells.
func (a *accounts) windows(ctx context.Context, sessionEnd int64) *chain.Windows {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	windows, err := a.chain.Windows(ctx, sessionEnd)
	if err != nil {
		return nil
	}
	return &windows
}
