package ledger

import (
	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// Deadline is by when the chain must have a claim or a proof.
type Deadline struct {
	Kind   string // claim or proof
	Height int64  // the last at which it may be
	Left   int64  // blocks that are still to come up to it
}

// Due is the deadline of a session whose window is open at height, if what the window
// is for is not on chain yet. A proof that the chain does not want is never due.
func Due(s *adminpb.SessionRecord, w chain.Windows, height int64) (d Deadline, due bool) {
	switch stage := s.GetStage(); {
	case (stage == stageActive || stage == stageSealed) && s.GetRelays() > 0 && height >= w.ClaimOpen:
		d = Deadline{Kind: kindClaim, Height: w.ClaimClose}
	case stage == stageClaimed && s.GetProof() != proofNotRequired && height >= w.ProofOpen:
		d = Deadline{Kind: kindProof, Height: w.ProofClose}
	default:
		return Deadline{}, false
	}
	d.Left = max(0, d.Height-height)
	return d, true
}
