package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"36h":                  now.Add(-36 * time.Hour),
		"30d":                  now.AddDate(0, 0, -30),
		"0d":                   now,
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T10:00:00Z": time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC),
		"":                     time.Unix(0, 0),
	} {
		if got, err := sinceUnix(text, now); err != nil || got != want.Unix() {
			t.Errorf("%q: got %v, %v, want %v", text, time.Unix(got, 0).UTC(), err, want)
		}
	}
	for _, text := range []string{"-5h", "d", "yesterday", "2026-13-01"} {
		if _, err := sinceUnix(text, now); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// Sums by anything are the same in all.
func TestEarnings(t *testing.T) {
	var list []*adminpb.SessionResponse
	for n := range uint64(6) {
		s := &adminpb.SessionRecord{
			Supplier: fmt.Sprintf("pokt1%c", 'a'+n%2), Service: fmt.Sprintf("svc%d", n%3), Application: "app", SessionId: fmt.Sprint(n),
			Stage: "settled", Proof: "not required", Relays: n + 1, ComputeUnits: 10 * (n + 1), WorthUpokt: 100, Upokt: 90,
			ClaimHeight: 24, EndedHeight: 38, EndedUnix: int64(1_700_000_000 + n*86_400),
		}
		if n == 5 {
			s.Stage, s.Proof, s.Reason, s.Upokt = "expired", "required", "claim_expired", 0
		}
		list = append(list, &adminpb.SessionResponse{Session: s})
	}
	list = append(list, &adminpb.SessionResponse{Session: &adminpb.SessionRecord{Stage: "active", Relays: 50}}) // has not ended
	want := amountsRow{Relays: 21, ComputeUnits: 210, Served: 600, Claimed: 600, NotRequired: 500, Settled: 450, Lost: 100}
	for by, groups := range map[string]int{"supplier": 2, "service": 3, "application": 1, "day": 6, "all": 1} {
		var sum amountsRow
		rows := earningsOf(list, grouping(by))
		for _, r := range rows {
			sum.Relays, sum.ComputeUnits = sum.Relays+r.Relays, sum.ComputeUnits+r.ComputeUnits
			sum.Served, sum.Claimed, sum.Proved = sum.Served+r.Served, sum.Claimed+r.Claimed, sum.Proved+r.Proved
			sum.NotRequired, sum.Settled, sum.Lost = sum.NotRequired+r.NotRequired, sum.Settled+r.Settled, sum.Lost+r.Lost
		}
		if len(rows) != groups || sum != want {
			t.Errorf("by %s: %d rows that sum up to %+v, want %d and %+v", by, len(rows), sum, groups, want)
		}
	}
	cmd, out := &cobra.Command{}, &bytes.Buffer{}
	cmd.SetOut(out)
	if err := show(cmd, "csv", earningsOf(list, grouping("all"))); err != nil {
		t.Fatal(err)
	}
	const csv = "of,sessions,relays,compute_units,served_upokt,claimed_upokt,proved_upokt,not_required_upokt,settled_upokt,lost_upokt\n" +
		"all,6,21,210,600,600,0,500,450,100\n"
	if out.String() != csv {
		t.Errorf("got %q, want %q", out, csv)
	}
}
