package claims

import (
	"cmp"
	"slices"
	"time"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// How long the planner waits and how much it puts together, in blocks and
// messages.
const (
	maxBatch = 30
	// settleGrace is how many blocks after its settlement height a claim may
	// still be unsettled before it counts as lost.
	settleGrace = 10
)

// Input is everything a plan depends on.
type Input struct {
	Height   int64 // the newest block; a broadcast lands at the next one at the earliest
	Sessions []raftfsm.Session
	Intents  []raftfsm.Intent
	Windows  map[int64]chain.Windows // by session end height
	// Archives is on how many nodes the leaves of a tree should be before it is
	// claimed.
	Archives int
	// KeepBlocks is how many blocks an ended session stays for inspection.
	KeepBlocks int64
	// Estimates are what sealed sessions bring and cost; those that are not in it
	// are claimed whatever that is.
	Estimates map[chain.SessionKey]Estimate
	// Keyless are suppliers whose key is not here: nothing can be signed for them.
	Keyless map[string]bool
	// Incomplete are sealed sessions whose root cannot be proven: Redis lost leaves of it,
	// and no member has archived it.
	Incomplete map[chain.SessionKey]bool
	// Spacing is the time between blocks lately; 0 if it is not known.
	Spacing time.Duration
	// Now says that an operator is waiting: nothing waits for its turn.
	Now bool
	// Held are the sessions of which an action failed in this block, and Sent
	// the intents that were broadcast in it: both wait for the next block.
	Held map[chain.SessionKey]bool
	Sent map[raftfsm.IntentKey]bool
}

// Plan decides what to do at a height. It is pure, and its order is the same
// for equal inputs: by kind, then urgency, then key.
func Plan(in Input) []Action {
	in.Sessions = slices.Clone(in.Sessions)
	slices.SortFunc(in.Sessions, bySession)
	p := &planner{Input: in, effects: effectsOf(in.Intents), turns: turnsOf(in.Sessions)}
	p.resends()
	for _, s := range p.Sessions {
		p.session(s)
	}
	p.batches()
	slices.SortStableFunc(p.actions, func(a, b Action) int { return cmp.Compare(a.Kind, b.Kind) })
	return p.actions
}

// bySession puts the sessions that end first, and so close first, in front.
func bySession(a, b raftfsm.Session) int {
	if c := cmp.Compare(a.Ref.EndHeight, b.Ref.EndHeight); c != 0 {
		return c
	}
	return a.Ref.Key().Compare(b.Ref.Key())
}

type planner struct {
	Input
	effects map[effectKey]effect
	turns   turns
	actions []Action
	claim   []raftfsm.Session // ready to be claimed
	prove   []raftfsm.Session // ready to be proved
}

func (p *planner) add(a Action) { p.actions = append(p.actions, a) }

func (p *planner) one(kind ActionKind, s raftfsm.Session) {
	p.add(Action{Kind: kind, Sessions: []raftfsm.Session{s}})
}

func (p *planner) end(s raftfsm.Session, stage raftfsm.Stage, why Reason) {
	p.add(Action{Kind: ActionEnd, Sessions: []raftfsm.Session{s}, Stage: stage, Reason: why, Estimate: p.Estimates[s.Ref.Key()]})
}

func (p *planner) session(s raftfsm.Session) {
	windows, known := p.Windows[s.Ref.EndHeight]
	if !known || p.Held[s.Ref.Key()] {
		return
	}
	switch s.Stage {
	case raftfsm.StageActive:
		p.active(s, windows)
	case raftfsm.StageSealed:
		p.sealed(s, windows)
	case raftfsm.StageClaimed:
		p.claimed(s, windows)
	case raftfsm.StageProved:
		p.settle(s, windows)
	default:
		if p.Height > s.EndedHeight+p.KeepBlocks {
			p.one(ActionForget, s)
		}
	}
}

// active seals at the opening of the claim window: from that height on the
// chain rewards no further relay of the session. Half of the window is for those that
// Redis may have lost and relayers bring again.
func (p *planner) active(s raftfsm.Session, w chain.Windows) {
	switch {
	case p.Height < w.ClaimOpen:
	case p.Height >= w.ClaimClose:
		p.end(s, raftfsm.StageLost, p.unclaimed(s))
	default:
		p.add(Action{Kind: ActionSeal, Sessions: []raftfsm.Session{s}, Now: p.Height >= halfway(w)})
	}
}

func (p *planner) sealed(s raftfsm.Session, w chain.Windows) {
	open := p.effects[effectKey{raftfsm.EffectClaim, s.Ref.Key()}].open
	switch {
	case s.Count == 0:
		p.end(s, raftfsm.StageSkipped, ReasonEmpty)
	case p.Height > w.ClaimClose:
		p.end(s, raftfsm.StageLost, p.unclaimed(s))
	case p.Height == w.ClaimClose || open:
		// Too late for a new transaction, or one is under way.
	case p.Incomplete[s.Ref.Key()]:
		p.anew(s, w)
	case p.Estimates[s.Ref.Key()].loses():
		p.end(s, raftfsm.StageSkipped, ReasonUnprofitable)
	case p.Keyless[s.Ref.Supplier]:
		// The key may come back.
	case len(s.Archives) < p.Archives && p.Height < patience(s, w):
		// A claim binds to a proof: first it must be sure to be possible.
	case !p.turn(raftfsm.EffectClaim, s, w.ClaimOpen, w.ClaimClose):
		// It is another's.
	default:
		p.claim = append(p.claim, s)
	}
}

// anew seals what is left of a tree, once relayers had time to bring what is missing.
func (p *planner) anew(s raftfsm.Session, w chain.Windows) {
	if p.Height >= halfway(w) {
		p.add(Action{Kind: ActionSeal, Sessions: []raftfsm.Session{s}, Now: true})
	}
}

// unclaimed is why a claim did not land in its window.
func (p *planner) unclaimed(s raftfsm.Session) Reason {
	switch {
	case p.Incomplete[s.Ref.Key()]:
		return ReasonRelaysLost
	case p.Keyless[s.Ref.Supplier]:
		return ReasonNoKey
	}
	return ReasonClaimWindowPast
}

// halfway is when a claim waits no longer for relays or archives: half of the window
// is left for attempts.
func halfway(w chain.Windows) int64 { return w.ClaimOpen + (w.ClaimClose-w.ClaimOpen)/2 }

// patience is when a claim waits no longer for archives. What was sealed late may have
// some a block later, if that is not too late for a claim.
func patience(s raftfsm.Session, w chain.Windows) int64 {
	return min(max(halfway(w), s.SealHeight+1), w.ClaimClose-1)
}

func (p *planner) claimed(s raftfsm.Session, w chain.Windows) {
	open := p.effects[effectKey{raftfsm.EffectProof, s.Ref.Key()}].open
	switch {
	case p.Height >= w.Settlement:
		p.settle(s, w)
	case p.Height < w.ProofOpen || s.ProofRequired == raftfsm.ProofNotRequired:
	case s.ProofRequired == raftfsm.ProofUndecided:
		p.one(ActionDecide, s)
	case p.Height < w.ProofClose && !open && !p.Keyless[s.Ref.Supplier] && p.turn(raftfsm.EffectProof, s, w.ProofOpen, w.ProofClose):
		p.prove = append(p.prove, s)
	}
}

// turn says that it is time for a first attempt. What was tried already is urgent.
func (p *planner) turn(kind raftfsm.EffectKind, s raftfsm.Session, opens, closes int64) bool {
	return p.Now || p.effects[effectKey{kind, s.Ref.Key()}].tried || p.Height >= opens+p.turns.of(s.Ref, closes-opens, p.Spacing)
}

// settle looks for the end of a claim, for the last time when the chain should
// long have ended it.
func (p *planner) settle(s raftfsm.Session, w chain.Windows) {
	look := Action{Kind: ActionSettle, Sessions: []raftfsm.Session{s}}
	if p.Height > w.Settlement+settleGrace {
		look.Reason = ReasonNotSettled
	}
	if p.Height >= w.Settlement {
		p.add(look)
	}
}

// resends broadcasts open intents again until they are observed to have landed
// or died: a node may have dropped them.
func (p *planner) resends() {
	intents := slices.Clone(p.Intents)
	slices.SortFunc(intents, func(a, b raftfsm.Intent) int { return a.Key().Compare(b.Key()) })
	for _, intent := range intents {
		if intent.Status == raftfsm.IntentPending && !p.Sent[intent.Key()] {
			p.add(Action{Kind: ActionResend, Intent: &intent})
		}
	}
}

func (p *planner) batches() {
	for _, batch := range p.group(raftfsm.EffectProof, p.prove) {
		p.add(Action{Kind: ActionProve, Sessions: batch})
	}
	for _, batch := range p.group(raftfsm.EffectClaim, p.claim) {
		p.add(Action{Kind: ActionClaim, Sessions: batch})
	}
}
