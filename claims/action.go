package claims

import "github.com/raftminer/raftminer/raftfsm"

// ActionKind is one thing to do for a session or a batch.
type ActionKind uint8

// The actions, in the order in which one block executes them.
const (
	ActionResend ActionKind = iota + 1 // broadcast the bytes of an open intent again
	ActionProve                        // intend and broadcast proofs
	ActionClaim                        // intend and broadcast claims
	ActionSeal                         // close the tree
	ActionDecide                       // find out whether a claim must be proved
	ActionSettle                       // look for the settlement
	ActionEnd                          // end the session with a reason
	ActionForget                       // drop what is no longer needed
)

// String is the name in logs and scenario files.
func (k ActionKind) String() string {
	names := [...]string{
		ActionResend: "resend", ActionProve: "prove", ActionClaim: "claim", ActionSeal: "seal",
		ActionDecide: "decide", ActionSettle: "settle", ActionEnd: "end", ActionForget: "forget",
	}
	return names[k]
}

// Action is a step of the plan.
type Action struct {
	Kind     ActionKind
	Sessions []raftfsm.Session // one supplier's; one session except in batches
	Intent   *raftfsm.Intent   // ActionResend
	Stage    raftfsm.Stage     // ActionEnd: the terminal stage
	Reason   Reason            // ActionEnd: why; ActionSettle: why to give up, when it is time to
	Estimate Estimate          // ActionEnd: what the session was worth, if that was asked
	Now      bool              // ActionSeal: without waiting for relays that may come again
}

// Reason says why a session ended unpaid. It reaches the log, a metric label
// and the CLI, so the set is closed.
type Reason string

// The reasons.
const (
	ReasonEmpty           Reason = "empty"             // no relay met the difficulty
	ReasonUnprofitable    Reason = "unprofitable"      // claiming it would have cost more than it pays
	ReasonRelaysLost      Reason = "relays_lost"       // Redis lost relays of the session, and none is left that could be claimed
	ReasonClaimWindowPast Reason = "claim_window_past" // the claim did not land in its window
	ReasonProofWindowPast Reason = "proof_window_past" // a required proof did not land in its window
	ReasonNoKey           Reason = "no_key"            // this miner has no key of the supplier to sign the claim or the proof with
	ReasonProofInvalid    Reason = "proof_invalid"     // the chain rejected the proof
	ReasonClaimExpired    Reason = "claim_expired"     // the chain expired the claim
	ReasonClaimDiscarded  Reason = "claim_discarded"   // the chain could not process the claim
	ReasonNotSettled      Reason = "not_settled"       // no settlement was found where it had to be
)
