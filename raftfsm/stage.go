package raftfsm

import "fmt"

// Stage is how far a session has come on its way from relays to money.
type Stage uint8

// The stages. Values are stored in logs and snapshots: never renumber them.
const (
	StageActive  Stage = 1 // relays may still arrive
	StageSealed  Stage = 2 // the tree is closed, its root is final
	StageClaimed Stage = 3 // the claim is on chain
	StageProved  Stage = 4 // the proof is on chain
	StageSettled Stage = 5 // paid
	StageExpired Stage = 6 // the chain let the claim expire, or its window passed
	StageSkipped Stage = 7 // not worth a claim, by decision
	StageLost    Stage = 8 // cannot be claimed or proved any more
)

var stageNames = [...]string{
	StageActive: "active", StageSealed: "sealed", StageClaimed: "claimed", StageProved: "proved",
	StageSettled: "settled", StageExpired: "expired", StageSkipped: "skipped", StageLost: "lost",
}

// Stages lists every stage in life-cycle order.
func Stages() []Stage {
	return []Stage{
		StageActive, StageSealed, StageClaimed, StageProved,
		StageSettled, StageExpired, StageSkipped, StageLost,
	}
}

// String is the lower-case name that operators see.
func (s Stage) String() string {
	if !s.valid() {
		return fmt.Sprintf("stage(%d)", uint8(s))
	}
	return stageNames[s]
}

// Terminal says that nothing more will happen to the session.
func (s Stage) Terminal() bool { return s >= StageSettled && s.valid() }

func (s Stage) valid() bool { return s >= StageActive && s <= StageLost }

// canAdvance is the table of edges that Advance may take. Sealing is not among
// them: it carries a root and has its own command. The edges into claimed and
// proved are for reconciling with a chain that shows more than we resolved.
func canAdvance(from, to Stage) bool {
	switch to {
	case from:
		return true
	case StageClaimed:
		return from == StageSealed
	case StageProved:
		return from == StageClaimed
	case StageSettled:
		return from == StageClaimed || from == StageProved
	case StageSkipped:
		return from == StageActive || from == StageSealed
	case StageExpired, StageLost:
		return from.valid() && !from.Terminal()
	}
	return false
}
