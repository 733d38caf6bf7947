package claims

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// Resubmit claims, or proves, one session now and alone: without waiting for the next
// block or for archives, without company that may have failed it, and whatever it
// earns. What the plan would not do in this block for any of these reasons it refuses:
// its window must be open, and no transaction may stand for it.
func (e *Engine) Resubmit(ctx context.Context, key chain.SessionKey) (raftfsm.Intent, error) {
	e.working.Lock()
	defer e.working.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	block := e.feed.Latest()
	in := Input{Height: block.Height, Windows: make(map[int64]chain.Windows), Now: true}
	e.log.View(func(s *raftfsm.State) {
		if session, known := s.Session(key); known {
			session.Archives = s.ArchivesOf(session)
			in.Sessions, in.Intents = []raftfsm.Session{session}, s.IntentsOf(key)
		}
	})
	if len(in.Sessions) == 0 {
		return raftfsm.Intent{}, fmt.Errorf("session %s: %w", raftfsm.SessionName(key), raftfsm.ErrNotFound)
	}
	session := in.Sessions[0]
	windows, err := e.chain.Windows(ctx, session.Ref.EndHeight)
	if err != nil {
		return raftfsm.Intent{}, err
	}
	in.Windows[session.Ref.EndHeight] = windows
	in.Incomplete = e.incomplete(in.Sessions)
	for _, action := range Plan(in) {
		if action.Kind != ActionClaim && action.Kind != ActionProve {
			continue
		}
		e.logger.Info("resubmitted by an operator", append(sessionFields(session.Ref), zap.Stringer("action", action.Kind))...)
		e.order.keep()
		if err := e.run(ctx, block, action, newMarks()); err != nil {
			return raftfsm.Intent{}, err
		}
		return e.standing(key)
	}
	return raftfsm.Intent{}, fmt.Errorf("%w: %s", raftfsm.ErrConflict, refusal(session, in, windows))
}

// standing is the transaction of a session that may land.
func (e *Engine) standing(key chain.SessionKey) (found raftfsm.Intent, err error) {
	err = fmt.Errorf("session %s: no transaction was decided: %w", raftfsm.SessionName(key), raftfsm.ErrNotFound)
	e.log.View(func(s *raftfsm.State) {
		for _, intent := range s.IntentsOf(key) {
			if intent.Status == raftfsm.IntentPending {
				found, err = intent, nil
			}
		}
	})
	return found, err
}

// refusal says why nothing can be sent for a session.
func refusal(s raftfsm.Session, in Input, w chain.Windows) string {
	for _, intent := range in.Intents {
		if intent.Status == raftfsm.IntentPending {
			return fmt.Sprintf("%s transaction %s is under way, it is sent every block", intent.Kind, intent.Key())
		}
	}
	if in.Incomplete[s.Ref.Key()] {
		return fmt.Sprintf("redis lost relays of it and nobody has archived it: what is left is sealed at %d, now is %d", halfway(w), in.Height)
	}
	switch s.Stage {
	case raftfsm.StageActive:
		return fmt.Sprintf("it is not sealed yet, its claim window opens at %d, now is %d", w.ClaimOpen, in.Height)
	case raftfsm.StageSealed:
		return fmt.Sprintf("claims are taken from %d to %d, now is %d", w.ClaimOpen, w.ClaimClose, in.Height)
	case raftfsm.StageClaimed:
		return fmt.Sprintf("proof %s; proofs are taken from %d to %d, now is %d", s.ProofRequired, w.ProofOpen, w.ProofClose, in.Height)
	}
	return "it is " + s.Stage.String()
}
