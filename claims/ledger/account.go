package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// Amount is a sum over sessions.
type Amount struct {
	Sessions, Relays, ComputeUnits, Upokt uint64
}

// Plus is the sum of two.
func (a Amount) Plus(b Amount) Amount {
	return Amount{a.Sessions + b.Sessions, a.Relays + b.Relays, a.ComputeUnits + b.ComputeUnits, a.Upokt + b.Upokt}
}

// Account says how far what was served has come. Upokt is what the chain's prices
// make of it, but for Settled, where it is what was paid.
type Account struct {
	Served  Amount
	Claimed Amount // on chain
	Settled Amount
	Lost    Amount // ended unpaid, claimed or not; skipped ones as well

	// Of what was claimed.
	Proved      Amount
	NotRequired Amount
	ClaimedLost Amount
	Unresolved  Amount
}

// Plus is the sum of two.
func (a Account) Plus(b Account) Account {
	return Account{
		Served: a.Served.Plus(b.Served), Claimed: a.Claimed.Plus(b.Claimed), Settled: a.Settled.Plus(b.Settled), Lost: a.Lost.Plus(b.Lost),
		Proved: a.Proved.Plus(b.Proved), NotRequired: a.NotRequired.Plus(b.NotRequired),
		ClaimedLost: a.ClaimedLost.Plus(b.ClaimedLost), Unresolved: a.Unresolved.Plus(b.Unresolved),
	}
}

// The words of a session record.
const (
	stageActive, stageSealed, stageClaimed, stageProved = "active", "sealed", "claimed", "proved"
	stageSettled, stageExpired, stageSkipped, stageLost = "settled", "expired", "skipped", "lost"
	proofRequired, proofNotRequired                     = "required", "not required"
	kindClaim, kindProof, statusDead, statusPending     = "claim", "proof", "dead", "pending"
)

// Of is the account of one session. Each share of what was claimed is told from facts
// of its own, so that shares that do not add up show.
func Of(s *adminpb.SessionRecord) Account {
	whole := Amount{Sessions: 1, Relays: s.GetRelays(), ComputeUnits: s.GetComputeUnits(), Upokt: s.GetWorthUpokt()}
	a := Account{Served: whole}
	stage, need := s.GetStage(), s.GetProof()
	unpaid := stage == stageExpired || stage == stageLost
	if unpaid || stage == stageSkipped {
		a.Lost = whole
	}
	if stage == stageSettled {
		a.Settled = whole
		a.Settled.Upokt = s.GetUpokt()
	}
	if !onChain(s) {
		return a
	}
	a.Claimed = whole
	if s.GetProofHeight() > 0 || stage == stageSettled && need == proofRequired {
		a.Proved = whole
	}
	if need == proofNotRequired && !unpaid {
		a.NotRequired = whole
	}
	if unpaid {
		a.ClaimedLost = whole
	}
	if stage == stageClaimed && need != proofNotRequired {
		a.Unresolved = whole
	}
	return a
}

// onChain says that a session's claim was.
func onChain(s *adminpb.SessionRecord) bool {
	switch s.GetStage() {
	case stageClaimed, stageProved, stageSettled, stageExpired:
		return true
	}
	return s.GetClaimHeight() > 0
}

// Identity names what must add up.
type Identity string

// The identities.
const (
	// IdentityClaims: claimed = proved + not required + lost + unresolved.
	IdentityClaims Identity = "claims"
	// IdentityLeaves: the root counts the relays and compute units that were recorded.
	IdentityLeaves Identity = "leaves"
	// IdentityPaid: the chain paid for a session that was claimed, and no more than it
	// is worth.
	IdentityPaid Identity = "paid"
)

// Identities lists them.
func Identities() []Identity { return []Identity{IdentityClaims, IdentityLeaves, IdentityPaid} }

// Gap is a session for which an identity does not hold.
type Gap struct {
	Identity Identity
	Detail   string
}

// Check holds one session against the identities.
func Check(s *adminpb.SessionRecord) (gaps []Gap) {
	a := Of(s)
	if got := a.Proved.Sessions + a.NotRequired.Sessions + a.ClaimedLost.Sessions + a.Unresolved.Sessions; got != a.Claimed.Sessions {
		gaps = append(gaps, Gap{IdentityClaims, fmt.Sprintf("%d claimed, but %d proved + %d not required + %d lost + %d unresolved",
			a.Claimed.Sessions, a.Proved.Sessions, a.NotRequired.Sessions, a.ClaimedLost.Sessions, a.Unresolved.Sessions)})
	}
	if relays, units, ok := rootTotals(s.GetRoot()); s.GetSealHeight() > 0 && (!ok || relays != s.GetRelays() || units != s.GetComputeUnits()) {
		gaps = append(gaps, Gap{IdentityLeaves, fmt.Sprintf("%d relays and %d compute units recorded, the root has %d and %d",
			s.GetRelays(), s.GetComputeUnits(), relays, units)})
	}
	switch worth := s.GetWorthUpokt(); {
	case s.GetStage() == stageSettled && worth > 0 && s.GetUpokt() > worth:
		gaps = append(gaps, Gap{IdentityPaid, fmt.Sprintf("%d uPOKT paid, it is worth %d", s.GetUpokt(), worth)})
	case s.GetStage() == stageSettled && s.GetRelays() == 0:
		gaps = append(gaps, Gap{IdentityPaid, fmt.Sprintf("%d uPOKT paid for no relay", s.GetUpokt())})
	}
	return gaps
}

// rootTotals reads an SMST sum root (pokt-network/smt, MerkleSumRoot): 32 bytes of
// digest, then sum and count, big endian.
func rootTotals(root []byte) (relays, units uint64, ok bool) {
	const digest, size = 32, 48
	if len(root) != size {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(root[digest+8:]), binary.BigEndian.Uint64(root[digest:]), true
}
