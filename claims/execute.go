package claims

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/raftfsm"
)

// execute runs the actions of a plan, those of one kind side by side. An action
// that fails holds its sessions until the next block; only the loss of
// leadership stops the rest.
func (e *Engine) execute(ctx context.Context, block chain.Block, actions []Action, marks *marks) error {
	for len(actions) > 0 {
		n := slices.IndexFunc(actions, func(a Action) bool { return a.Kind != actions[0].Kind })
		if n < 0 {
			n = len(actions)
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for _, lane := range e.lanes(actions[:n]) {
			group.Go(func() error {
				for _, action := range lane {
					if err := e.attempt(groupCtx, block, action, marks); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		actions = actions[n:]
	}
	return nil
}

func (e *Engine) attempt(ctx context.Context, block chain.Block, a Action, marks *marks) error {
	err := e.run(ctx, block, a, marks)
	if err == nil || deposed(err) {
		return err
	}
	marks.hold(a.Sessions)
	if errors.Is(err, errNotSettledYet) {
		return nil
	}
	e.metrics.actionErrors.WithLabelValues(a.Kind.String()).Inc()
	fields := []zap.Field{zap.Stringer("action", a.Kind), zap.Int64("height", block.Height), zap.Error(err)}
	if len(a.Sessions) > 0 {
		fields = append(fields, sessionFields(a.Sessions[0].Ref)...)
	}
	e.logger.Warn("action failed, next block retries", fields...)
	return nil
}

func (e *Engine) run(ctx context.Context, block chain.Block, a Action, marks *marks) error {
	if (a.Kind == ActionProve || a.Kind == ActionClaim) && e.queued(a.Sessions[0].Ref.Supplier) {
		marks.hold(a.Sessions)
		return nil
	}
	switch a.Kind {
	case ActionResend:
		marks.send(a.Intent.Key())
		return e.broadcast(ctx, *a.Intent)
	case ActionProve:
		return e.prove(ctx, block, a.Sessions, marks)
	case ActionClaim:
		e.noteUnarchived(a.Sessions)
		return e.submit(ctx, block, raftfsm.EffectClaim, claimMessages(a.Sessions), marks)
	case ActionSeal:
		return e.seal(ctx, block.Height, a.Sessions[0], a.Now)
	case ActionDecide:
		return e.decide(ctx, a.Sessions[0])
	case ActionSettle:
		return e.settle(ctx, block, a.Sessions[0], a.Reason)
	case ActionEnd:
		if a.Reason == ReasonRelaysLost {
			return e.lose(ctx, block.Height, a.Sessions[0])
		}
		return e.end(ctx, block.Height, a.Sessions[0], a.Stage, a.Reason, a.Estimate.fields()...)
	case ActionForget:
		return e.forget(ctx, a.Sessions[0])
	}
	return fmt.Errorf("unknown action %d", a.Kind)
}

// seal closes the tree and makes its root the one that the group agrees on. A session
// that was sealed before has lost leaves of that tree: it goes on with those that are left.
func (e *Engine) seal(ctx context.Context, height int64, s raftfsm.Session, now bool) error {
	head, err := e.trees.Seal(ctx, s.Ref.Key(), now)
	if errors.Is(err, ingest.ErrUnknownSession) {
		return e.lose(ctx, height, s)
	}
	if err != nil {
		return fmt.Errorf("seal tree: %w", err)
	}
	lost := e.lossOf(ctx, s, head.Count)
	cmd := raftfsm.Seal{
		Epoch: e.epoch, Ref: head.Ref, Root: head.Root, Count: head.Count, Sum: head.Sum, Seq: head.Seq,
		Height: height, Worth: e.worth(ctx, head.Ref, head.Root, head.Count), Lost: lost,
	}
	if s.Stage == raftfsm.StageSealed {
		if cmd.Instead = s.Root; bytes.Equal(head.Root, s.Root) {
			return errHollow
		}
	}
	if _, err := e.log.Apply(ctx, cmd); err != nil {
		return fmt.Errorf("record seal: %w", err)
	}
	failpoint.Hit("claims.after_seal")
	e.reportLoss(s, head.Count, lost)
	e.logger.Info("session sealed", append(sessionFields(head.Ref),
		zap.Uint64("relays", head.Count), zap.Uint64("compute_units", head.Sum))...)
	return nil
}

// errHollow: what says that the tree is there and what reads its leaves disagree. It
// is not claimed while they do.
var errHollow = errors.New("redis has the head of a sealed tree and not all of its leaves")

// lose ends a session of which no relay is left that could be claimed.
func (e *Engine) lose(ctx context.Context, height int64, s raftfsm.Session) error {
	known := s
	s.Lost = e.lossOf(ctx, s, 0)
	if err := e.end(ctx, height, s, raftfsm.StageLost, ReasonRelaysLost); err != nil {
		return err
	}
	e.reportLoss(known, 0, s.Lost)
	return nil
}

// worth is what the chain charges for a tree, 0 if that cannot be told now: sealing does
// not wait for it.
func (e *Engine) worth(ctx context.Context, ref chain.SessionRef, root []byte, count uint64) uint64 {
	if count == 0 || len(root) == 0 {
		return 0
	}
	worth, _ := e.price(ctx, ref, root)
	return worth.Claimed
}

// lossOf is how many relays Redis has lost for good: nothing comes any more. Relayers
// that saw it go back tell how many there were; the last checkpoint knew some, too.
func (e *Engine) lossOf(ctx context.Context, s raftfsm.Session, left uint64) uint64 {
	told, err := e.trees.Told(ctx, s.Ref.Key())
	if err != nil {
		e.logger.Warn("a loss of relays may be larger than reported", append(sessionFields(s.Ref), zap.Error(err))...)
	}
	return max(s.Count+s.Lost, told, left) - left
}

// reportLoss names what is lost, unless it was before. What is left is claimed.
func (e *Engine) reportLoss(s raftfsm.Session, left, lost uint64) {
	if lost <= s.Lost {
		return
	}
	e.metrics.lost.Add(float64(lost - s.Lost))
	e.logger.Error("redis lost relays of a session", append(sessionFields(s.Ref), zap.Uint64("relays_lost", lost),
		zap.Uint64("relays_left", left), zap.Uint64("relays_known", s.Count))...)
}

// decide records whether the claim must be proved.
func (e *Engine) decide(ctx context.Context, s raftfsm.Session) error {
	required, err := e.chain.ProofRequired(ctx, s.Ref, s.Root)
	if err != nil {
		return fmt.Errorf("decide whether a proof is required: %w", err)
	}
	need := needOf(required)
	e.metrics.proofNeeds.WithLabelValues(need.String()).Inc()
	return e.advance(ctx, raftfsm.Transition{Key: s.Ref.Key(), Stage: s.Stage, ProofRequired: need})
}

func needOf(required bool) raftfsm.ProofNeed {
	if required {
		return raftfsm.ProofRequired
	}
	return raftfsm.ProofNotRequired
}

// end puts a session into a terminal stage and frees its tree.
func (e *Engine) end(ctx context.Context, height int64, s raftfsm.Session, stage raftfsm.Stage, why Reason, more ...zap.Field) error {
	if s.Stage == raftfsm.StageActive {
		if err := e.checkpoint(ctx, height, []raftfsm.Progress{progressOf(s)}); err != nil {
			return err
		}
	}
	block, err := e.chain.BlockAt(ctx, height)
	if err != nil {
		return err
	}
	t := raftfsm.Transition{Key: s.Ref.Key(), Stage: stage, Reason: string(why), Height: height, Time: block.Time.Unix(), Lost: s.Lost}
	if s.Worth == 0 {
		t.Worth = e.worth(ctx, s.Ref, s.Root, s.Count)
	}
	if err := e.advance(ctx, t); err != nil {
		return err
	}
	e.metrics.unpaid(s, stage, why)
	fields := append(sessionFields(s.Ref), zap.Stringer("stage", stage), zap.String("reason", string(why)), zap.Uint64("relays", s.Count))
	e.logger.Error("session ended unpaid", append(fields, more...)...)
	return e.free(ctx, s)
}

func (e *Engine) forget(ctx context.Context, s raftfsm.Session) error {
	if err := e.free(ctx, s); err != nil {
		return err
	}
	_, err := e.log.Apply(ctx, raftfsm.Forget{Epoch: e.epoch, Keys: []chain.SessionKey{s.Ref.Key()}})
	return err
}

// free removes what Redis holds for an ended session. It may be repeated.
func (e *Engine) free(ctx context.Context, s raftfsm.Session) error {
	if err := e.trees.Forget(ctx, s.Ref.Key()); err != nil {
		return fmt.Errorf("remove tree: %w", err)
	}
	return nil
}

func (e *Engine) advance(ctx context.Context, transitions ...raftfsm.Transition) error {
	_, err := e.log.Apply(ctx, raftfsm.Advance{Epoch: e.epoch, Transitions: transitions})
	return err
}

func sessionFields(ref chain.SessionRef) []zap.Field {
	return []zap.Field{
		zap.String("supplier", ref.Supplier), zap.String("session", ref.SessionID),
		zap.String("service", ref.Service), zap.Int64("session_end", ref.EndHeight),
	}
}
