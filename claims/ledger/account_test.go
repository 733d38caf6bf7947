package ledger

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func sumRoot(relays, units uint64) []byte {
	root := make([]byte, 48)
	binary.BigEndian.PutUint64(root[32:], units)
	binary.BigEndian.PutUint64(root[40:], relays)
	return root
}

func record(stage, proof string, change func(*adminpb.SessionRecord)) *adminpb.SessionRecord {
	s := &adminpb.SessionRecord{
		Supplier: "pokt1a", SessionId: "s", Stage: stage, Proof: proof, Relays: 7, ComputeUnits: 70, WorthUpokt: 42,
		SealHeight: 22, Root: sumRoot(7, 70),
	}
	if stage != stageSealed {
		s.ClaimHeight = 24
	}
	if stage == stageSettled {
		s.Upokt, s.EndedHeight = 42, 38
	}
	if change != nil {
		change(s)
	}
	return s
}

func TestIdentities(t *testing.T) {
	for name, row := range map[string]struct {
		session *adminpb.SessionRecord
		want    []Identity
	}{
		"sealed":                     {record(stageSealed, "undecided", nil), nil},
		"claimed":                    {record(stageClaimed, "undecided", nil), nil},
		"claimed, proof due":         {record(stageClaimed, proofRequired, nil), nil},
		"claimed, no proof":          {record(stageClaimed, proofNotRequired, nil), nil},
		"proved":                     {record(stageProved, proofRequired, func(s *adminpb.SessionRecord) { s.ProofHeight = 30 }), nil},
		"settled":                    {record(stageSettled, proofNotRequired, nil), nil},
		"settled, proof not seen":    {record(stageSettled, proofRequired, nil), nil},
		"settled, capped by a stake": {record(stageSettled, proofNotRequired, func(s *adminpb.SessionRecord) { s.Upokt = 40 }), nil},
		"expired":                    {record(stageExpired, proofRequired, nil), nil},
		"lost before a claim":        {record(stageLost, "undecided", func(s *adminpb.SessionRecord) { s.ClaimHeight = 0 }), nil},
		"proved, and yet lost":       {record(stageLost, proofRequired, func(s *adminpb.SessionRecord) { s.ProofHeight = 30 }), []Identity{IdentityClaims}},
		"proved without need":        {record(stageSettled, proofNotRequired, func(s *adminpb.SessionRecord) { s.ProofHeight = 30 }), []Identity{IdentityClaims}},
		"settled, nobody knows why":  {record(stageSettled, "undecided", nil), []Identity{IdentityClaims}},
		"another root":               {record(stageClaimed, proofRequired, func(s *adminpb.SessionRecord) { s.Root = sumRoot(6, 60) }), []Identity{IdentityLeaves}},
		"no root":                    {record(stageClaimed, proofRequired, func(s *adminpb.SessionRecord) { s.Root = nil }), []Identity{IdentityLeaves}},
		"paid more than it is worth": {record(stageSettled, proofNotRequired, func(s *adminpb.SessionRecord) { s.Upokt = 43 }), []Identity{IdentityPaid}},
	} {
		var got []Identity
		for _, gap := range Check(row.session) {
			got = append(got, gap.Identity)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}

// What holds for each session holds for their sum, and the sum does not depend on the
// order.
func TestAccountsAddUp(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var sessions []*adminpb.SessionRecord
		for range rapid.IntRange(0, 20).Draw(r, "sessions") {
			stage := rapid.SampledFrom([]string{stageActive, stageSealed, stageClaimed, stageProved, stageSettled, stageExpired, stageSkipped, stageLost}).Draw(r, "stage")
			s := record(stage, rapid.SampledFrom([]string{proofRequired, proofNotRequired, "undecided"}).Draw(r, "proof"), func(s *adminpb.SessionRecord) {
				s.Relays = rapid.Uint64Range(1, 100).Draw(r, "relays")
				s.ComputeUnits = 10 * s.Relays
				s.Root = sumRoot(s.Relays, s.ComputeUnits)
				s.ProofHeight = int64(rapid.IntRange(0, 1).Draw(r, "proved"))
			})
			if len(Check(s)) == 0 {
				sessions = append(sessions, s)
			}
		}
		var forth, back Account
		for _, s := range sessions {
			forth = forth.Plus(Of(s))
		}
		for _, s := range slices.Backward(sessions) {
			back = Of(s).Plus(back)
		}
		if forth != back {
			r.Fatalf("%+v forth, %+v back", forth, back)
		}
		if got := forth.Proved.Plus(forth.NotRequired).Plus(forth.ClaimedLost).Plus(forth.Unresolved); got != forth.Claimed {
			r.Fatalf("claimed %+v, its parts %+v", forth.Claimed, got)
		}
	})
}

func TestDue(t *testing.T) {
	w := chain.Windows{ClaimOpen: 22, ClaimClose: 30, ProofOpen: 30, ProofClose: 38, Settlement: 38}
	for name, row := range map[string]struct {
		session *adminpb.SessionRecord
		height  int64
		want    Deadline
	}{
		"before the window": {record(stageSealed, "", nil), 21, Deadline{}},
		"open":              {record(stageSealed, "", nil), 22, Deadline{kindClaim, 30, 8}},
		"not even sealed":   {record(stageActive, "", nil), 29, Deadline{kindClaim, 30, 1}},
		"too late":          {record(stageSealed, "", nil), 31, Deadline{kindClaim, 30, 0}},
		"nothing to claim":  {record(stageSealed, "", func(s *adminpb.SessionRecord) { s.Relays = 0 }), 25, Deadline{}},
		"claimed":           {record(stageClaimed, proofRequired, nil), 29, Deadline{}},
		"proof due":         {record(stageClaimed, proofRequired, nil), 36, Deadline{kindProof, 38, 2}},
		"perhaps a proof":   {record(stageClaimed, "undecided", nil), 30, Deadline{kindProof, 38, 8}},
		"no proof":          {record(stageClaimed, proofNotRequired, nil), 36, Deadline{}},
		"proved":            {record(stageProved, proofRequired, nil), 36, Deadline{}},
	} {
		if got, due := Due(row.session, w, row.height); got != row.want || due != (row.want != Deadline{}) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, due, row.want)
		}
	}
}
