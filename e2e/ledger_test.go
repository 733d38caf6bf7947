package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// Whatever became of a leader, the books add up, what was earned is what the chain
// settled, and each session can be explained, also when the group has forgotten it.
func TestClaimsLedger(t *testing.T) {
	n, ctx := startWith(t, "", func(_ string, config map[string]any) {
		if miner, is := config["miner"].(map[string]any); is {
			miner["keep_blocks"] = 20
		}
	})
	report := n.drive(ctx, devnet.DriveOptions{KillLeader: 1})
	checkPaid(t, report)
	miner := miners[0] // whoever leads: any member passes questions on
	var earned []earnings
	n.await(ctx, "every claim that the chain settled is in the books", func() bool {
		earned = n.earnings(ctx, miner, "all")
		return len(earned) == 1 && earned[0].Sessions == uint64(report.ClaimsSettled)
	})
	if e := earned[0]; int64(e.Settled) != report.UpoktSettled || e.Relays != report.RelaysMined || e.Claimed != e.Settled || e.Lost != 0 {
		t.Errorf("earned %+v, the chain settled %d uPOKT for %d relays", e, report.UpoktSettled, report.RelaysMined)
	}
	for _, by := range []string{"supplier", "service", "application", "day"} {
		var sum uint64
		for _, e := range n.earnings(ctx, miner, by) {
			sum += e.Settled
		}
		if int64(sum) != report.UpoktSettled {
			t.Errorf("by %s: %d uPOKT, want %d", by, sum, report.UpoktSettled)
		}
	}
	n.checkBooks(ctx, miner)
	var sessions []struct{ Supplier, Session string }
	n.tells(ctx, miner, &sessions, "sessions")
	first := sessions[0].Supplier + "/" + sessions[0].Session
	n.checkExplained(ctx, miner, first)
	out, err := n.raftminer(ctx, miner, "claims", "resubmit", "--yes", first)
	// which of the two depends on how soon it is forgotten
	if err == nil || !strings.Contains(string(out), "it is settled") && !strings.Contains(string(out), "not found") {
		t.Errorf("a settled session was claimed again: %s, %v", out, err)
	}
	n.await(ctx, "every miner has sessions in its ledger", func() bool {
		return !slices.ContainsFunc(miners, func(miner string) bool { return len(n.ledgerFiles(miner)) == 0 })
	})
	n.checkBooks(ctx, miner)
	n.checkExplained(ctx, miner, first)
	if again := n.earnings(ctx, miner, "all"); fmt.Sprint(again) != fmt.Sprint(earned) {
		t.Errorf("earned %+v before some was forgotten, %+v after", earned, again)
	}
}

// earnings are a row of raftminer earnings.
type earnings struct {
	Of       string `json:"of"`
	Sessions uint64 `json:"sessions"`
	Relays   uint64 `json:"relays"`
	Claimed  uint64 `json:"claimed_upokt"`
	Settled  uint64 `json:"settled_upokt"`
	Lost     uint64 `json:"lost_upokt"`
}

func (n *network) earnings(ctx context.Context, miner, by string) (rows []earnings) {
	n.t.Helper()
	n.tells(ctx, miner, &rows, "earnings", "--by", by)
	return rows
}

// checkBooks: nothing is amiss, as the command says and as the leader counts.
func (n *network) checkBooks(ctx context.Context, miner string) {
	n.t.Helper()
	var gaps []map[string]any
	n.tells(ctx, miner, &gaps, "audit")
	for _, gap := range gaps {
		n.t.Errorf("amiss: %v", gap)
	}
	if leader, err := n.Leader(ctx); err == nil {
		if gaps := n.metric(ctx, leader, "ha_ledger_identity_gap"); gaps > 0 {
			n.t.Errorf("%v gaps are counted by %s", gaps, leader)
		}
	}
}

func (n *network) checkExplained(ctx context.Context, miner, session string) {
	n.t.Helper()
	out, err := n.raftminer(ctx, miner, "explain", session)
	if err != nil {
		n.t.Fatalf("explain %s: %v: %s", session, err, out)
	}
	if !strings.Contains(string(out), "the group hears of its first relays") { // within seconds: perhaps after the session's end
		n.t.Errorf("it does not say when the first relays came:\n%s", out)
	}
	rest := string(out)
	for _, next := range []string{
		"session begins: service", "sealed with", "claim transaction", "claim is on chain",
		"proof required", "proof transaction", "settled: ", "every link holds",
	} {
		_, after, found := strings.Cut(rest, next)
		if !found {
			n.t.Errorf("no %q where it should be in\n%s", next, out)
		}
		rest = after
	}
}

// tells asks a miner, until there is a leader to answer, and reads the rows.
func (n *network) tells(ctx context.Context, miner string, rows any, args ...string) {
	n.t.Helper()
	var out []byte
	var err error
	if !eventually(ctx, func() bool {
		out, err = n.raftminer(ctx, miner, append(args, "-o", "json")...)
		var exit *exec.ExitError
		return err == nil || errors.As(err, &exit) && exit.ExitCode() == 3 // that comes with rows
	}) {
		n.t.Fatalf("%v: %v: %s", args, err, out)
	}
	list, _, _ := strings.Cut(string(out), "\n")
	if err := json.Unmarshal([]byte(list), rows); err != nil {
		n.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// raftminer runs a command of the real binary with a miner's configuration.
func (n *network) raftminer(ctx context.Context, miner string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, binary(n.t, "raftminer"), append(args, "--config", n.process(miner).Config)...).CombinedOutput()
}

func (n *network) ledgerFiles(miner string) []string {
	files, err := filepath.Glob(filepath.Join(n.dataDir(miner), "ledger", "*.jsonl"))
	if err != nil {
		n.t.Fatal(err)
	}
	return files
}
