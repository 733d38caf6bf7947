package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// printJSON writes the report as one line, the last one.
func printJSON(out io.Writer, report devnet.Report) error {
	if err := json.NewEncoder(out).Encode(report); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// printTable writes the report for people who see one for the first time.
func printTable(out io.Writer, r devnet.Report) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}})
	number := func(n int) string { return humanize.Comma(int64(n)) }
	t.AppendRows([]table.Row{
		{"Relays answered", number(r.RelaysAnswered), "signed by a supplier, checked by the client"},
		{"  of these mined", humanize.Comma(int64(r.RelaysMined)), "met the mining difficulty, so each must be paid"},
		{"Relays failed", number(r.RelaysFailed), "no answer after every try, so nobody owes anything"},
		{"Sessions", number(r.Sessions), "periods that are claimed and paid as one"},
		{"Leaders killed", number(r.LeaderKills), "with SIGKILL, while relays flowed"},
		{"  failover", milliseconds(r.FailoverMS), "until the next leader's first flush"},
	})
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"Claims submitted", number(r.ClaimsSubmitted), "one per supplier and session, on the chain"},
		{"  relays in them", humanize.Comma(int64(r.LeavesClaimed)), "leaves of the claimed trees"},
		{"Proofs required", number(r.ProofsRequired), "by the chain"},
		{"Proofs validated", number(r.ProofsValidated), "by the chain, signatures included"},
		{"Claims settled", number(r.ClaimsSettled), "paid"},
		{"Claims expired", number(r.ClaimsExpired), "not paid; must be 0"},
		{"Suppliers slashed", number(r.SuppliersSlashed), "must be 0"},
	})
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"Relays lost", humanize.Comma(int64(r.RelaysLost)), "mined but not paid; must be 0"},
		{"Relays unanswered", humanize.Comma(int64(r.RelaysClaimedUnanswered)), "paid, though the client has no answer"},
		{"Paid to suppliers", humanize.Comma(r.UpoktEarned) + " uPOKT", "their share of what was settled"},
	})
	t.AppendFooter(table.Row{"Settled by the chain", humanize.Comma(r.UpoktSettled) + " uPOKT", verdict(r)})
	t.Style().Format.Footer = text.FormatDefault
	if _, err := fmt.Fprintln(out, t.Render()); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

func verdict(r devnet.Report) string {
	if r.OK() {
		return "every relay was paid"
	}
	return "NOT every relay was paid"
}

func milliseconds(values []int64) string {
	if len(values) == 0 {
		return "-"
	}
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprintf("%d", v)
	}
	return strings.Join(parts, ", ") + " ms"
}

// printFailures tells why relays failed, apart from the report.
func printFailures(out io.Writer, r devnet.Report) {
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(out, "failed    %d times: %s\n", r.Failures[reason], reason)
	}
}
