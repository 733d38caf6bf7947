package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

type earningsRow struct {
	Of       string `json:"of"`
	Sessions uint64 `json:"sessions"`
	amountsRow
}

// grouping is what earnings are summed up by, nil for an unknown name.
func grouping(name string) func(*adminpb.SessionRecord) string {
	switch name {
	case "supplier":
		return (*adminpb.SessionRecord).GetSupplier
	case "service":
		return (*adminpb.SessionRecord).GetService
	case "application":
		return (*adminpb.SessionRecord).GetApplication
	case "day":
		return func(s *adminpb.SessionRecord) string {
			return time.Unix(s.GetEndedUnix(), 0).UTC().Format(time.DateOnly)
		}
	case "all":
		return func(*adminpb.SessionRecord) string { return "all" }
	}
	return nil
}

func earningsCommand() *cobra.Command {
	a, by := &accounts{}, ""
	const names = "supplier, service, application, day or all"
	cmd := a.command(&cobra.Command{
		Use: "earnings", Short: "What sessions that have ended brought, and what was lost", Args: exactArgs(0),
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		of := grouping(by)
		if of == nil {
			return usageError{fmt.Errorf("--by %q: want %s", by, names)}
		}
		list, err := a.all(ctx)
		if err != nil {
			return err
		}
		return show(cmd, a.output, earningsOf(list, of))
	})
	a.filters(cmd, "30d")
	cmd.Flags().StringVar(&by, "by", "service", "a row for each: "+names+" (days are UTC, of the settlement)")
	return cmd
}

func earningsOf(list []*adminpb.SessionResponse, of func(*adminpb.SessionRecord) string) []earningsRow {
	sums := make(map[string]ledger.Account)
	for _, account := range list {
		if s := account.GetSession(); s.GetEndedHeight() > 0 {
			sums[of(s)] = sums[of(s)].Plus(ledger.Of(s))
		}
	}
	rows := make(map[string]earningsRow)
	for name, sum := range sums {
		rows[name] = earningsRow{Of: name, Sessions: sum.Served.Sessions, amountsRow: amountsOf(sum)}
	}
	return sortedRows(rows)
}
