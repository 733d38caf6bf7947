package ledger

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

var update = flag.Bool("update", false, "write what is printed to testdata")

// Every way a session can go, as an operator reads it.
func TestExplain(t *testing.T) {
	windows := &chain.Windows{ClaimOpen: 22, ClaimClose: 30, ProofOpen: 30, ProofClose: 38, Settlement: 38}
	tx := func(kind string, attempt uint32, intended int64, status, reason string, code uint32, height int64) *adminpb.IntentRecord {
		return &adminpb.IntentRecord{
			Batch: kind + "0123456789", Attempt: attempt, Kind: kind, Sessions: []string{"s1", "s2"}, Status: status, Reason: reason,
			Code: code, Height: height, IntendedHeight: intended, TxHash: []byte{0xab, byte(attempt)},
		}
	}
	claim, proof := tx(kindClaim, 1, 23, "landed", "", 0, 24), tx(kindProof, 1, 31, "landed", "", 0, 32)
	timeout, failed := tx(kindClaim, 1, 23, statusDead, "timeout", 0, 27), tx(kindClaim, 2, 27, statusDead, "out of gas", 11, 29)
	at := func(stage, proof, reason string, change func(*adminpb.SessionRecord)) *adminpb.SessionRecord {
		s := &adminpb.SessionRecord{
			Supplier: "pokt1a", SessionId: "s1", Service: "anvil", Application: "pokt1app", StartHeight: 11, EndHeight: 20,
			Stage: stage, Proof: proof, Reason: reason, Relays: 7, ComputeUnits: 70, WorthUpokt: 42, FirstHeight: 13, SealHeight: 22,
		}
		if change != nil {
			change(s)
		}
		return s
	}
	claimedAt := func(s *adminpb.SessionRecord) { s.ClaimHeight = 24 }
	ended := func(s *adminpb.SessionRecord) { claimedAt(s); s.EndedHeight = 38 }
	for name, row := range map[string]struct {
		session *adminpb.SessionRecord
		intents []*adminpb.IntentRecord
		windows *chain.Windows
	}{
		"settled": {at(stageSettled, proofRequired, "", func(s *adminpb.SessionRecord) { ended(s); s.ProofHeight, s.Upokt = 32, 42 }),
			[]*adminpb.IntentRecord{proof, claim}, windows},
		"settled_at_the_second_attempt": {at(stageSettled, proofNotRequired, "", func(s *adminpb.SessionRecord) { ended(s); s.ClaimHeight, s.Upokt = 28, 42 }),
			[]*adminpb.IntentRecord{tx(kindClaim, 2, 27, "landed", "", 0, 28), timeout}, windows},
		"active":            {at(stageActive, "undecided", "", func(s *adminpb.SessionRecord) { s.SealHeight, s.WorthUpokt = 0, 0 }), nil, windows},
		"claim_pending":     {at(stageSealed, "undecided", "", nil), []*adminpb.IntentRecord{tx(kindClaim, 1, 23, statusPending, "", 0, 0)}, windows},
		"claim_window_past": {at(stageLost, "undecided", "claim_window_past", func(s *adminpb.SessionRecord) { s.EndedHeight = 31 }), []*adminpb.IntentRecord{failed, timeout}, windows},
		"never_sealed":      {at(stageLost, "undecided", "relays_lost", func(s *adminpb.SessionRecord) { s.SealHeight, s.EndedHeight, s.RelaysLost = 0, 22, 7 }), nil, windows},
		"proof_missing":     {at(stageExpired, proofRequired, "claim_expired", ended), []*adminpb.IntentRecord{claim}, windows},
		"proved_but_unpaid": {at(stageLost, proofRequired, "not_settled", func(s *adminpb.SessionRecord) { ended(s); s.ProofHeight = 32 }), []*adminpb.IntentRecord{claim, proof}, windows},
		"redis_lost_some":   {at(stageSealed, "undecided", "", func(s *adminpb.SessionRecord) { s.RelaysLost = 3 }), nil, windows},
		"skipped":           {at(stageSkipped, "undecided", "unprofitable", func(s *adminpb.SessionRecord) { s.EndedHeight = 23 }), nil, windows},
		"waits_for_money":   {at(stageClaimed, proofNotRequired, "", claimedAt), []*adminpb.IntentRecord{claim}, windows},
		"by_an_older_build": {at(stageSettled, proofNotRequired, "", func(s *adminpb.SessionRecord) { ended(s); s.FirstHeight, s.SealHeight, s.Upokt = 0, 0, 42 }), []*adminpb.IntentRecord{tx(kindClaim, 1, 0, "landed", "", 0, 24)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Text(Explain(&adminpb.SessionResponse{Session: row.session, Intents: row.intents}, row.windows))
			file := filepath.Join("testdata", "explain", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
