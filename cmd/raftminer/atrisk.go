package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

type riskRow struct {
	Supplier string `json:"supplier"`
	Session  string `json:"session"`
	Service  string `json:"service"`
	Lacks    string `json:"lacks"` // claim or proof
	Left     int64  `json:"blocks_left"`
	Closes   int64  `json:"closes_at"`
	Relays   uint64 `json:"relays"`
	Worth    uint64 `json:"worth_upokt"`
	Waits    string `json:"waits_for"`
}

func atRiskCommand() *cobra.Command {
	a, within := &accounts{}, int64(0)
	cmd := a.command(&cobra.Command{
		Use: "at-risk", Short: "Sessions whose claim or proof is due and not on chain yet, the most urgent first", Args: exactArgs(0),
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		a.request.Live = true
		list, err := a.all(ctx)
		if err != nil {
			return err
		}
		height, err := a.height(ctx)
		if err != nil {
			return err
		}
		var rows []riskRow
		for _, account := range list {
			row, due, err := a.risk(ctx, account, height)
			if err != nil {
				return err
			}
			if due && (within == 0 || row.Left <= within) {
				rows = append(rows, row)
			}
		}
		slices.SortStableFunc(rows, func(x, y riskRow) int { return cmp.Compare(x.Left, y.Left) })
		return show(cmd, a.output, rows)
	})
	cmd.Flags().Int64Var(&within, "within", 0, "only those with at most so many blocks left; 0: all that are due")
	return cmd
}

func (a *accounts) risk(ctx context.Context, account *adminpb.SessionResponse, height int64) (riskRow, bool, error) {
	s := account.GetSession()
	windows, err := a.chain.Windows(ctx, s.GetEndHeight())
	if err != nil {
		return riskRow{}, false, err
	}
	d, due := ledger.Due(s, windows, height)
	_, verdict := ledger.Explain(account, &windows)
	return riskRow{
		Supplier: s.GetSupplier(), Session: s.GetSessionId(), Service: s.GetService(), Lacks: d.Kind, Left: d.Left, Closes: d.Height,
		Relays: s.GetRelays(), Worth: s.GetWorthUpokt(), Waits: verdict.Why,
	}, due, nil
}
