package claims

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// settle looks for the event that ended the claim of s, from its settlement
// height on. Nothing is found while the chain has not settled it yet; when it
// should long have, the session ends for the reason giveUp.
func (e *Engine) settle(ctx context.Context, block chain.Block, s raftfsm.Session, giveUp Reason) error {
	windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
	if err != nil {
		return err
	}
	for h := windows.Settlement; h <= min(block.Height, windows.Settlement+settleGrace); h++ {
		settlement, found, err := e.settlementAt(ctx, h, s.Ref)
		if err != nil {
			return err
		}
		if found {
			return e.ended(ctx, h, s, settlement)
		}
	}
	if giveUp != "" {
		return e.end(ctx, block.Height, s, raftfsm.StageLost, giveUp)
	}
	return errNotSettledYet
}

// errNotSettledYet holds the session until the next block.
var errNotSettledYet = errors.New("the chain has not settled the claim yet")

func (e *Engine) settlementAt(ctx context.Context, height int64, ref chain.SessionRef) (chain.Settlement, bool, error) {
	settlements, err := e.chain.Settlements(ctx, height)
	if err != nil {
		return chain.Settlement{}, false, err
	}
	for _, s := range settlements {
		if s.Supplier == ref.Supplier && s.Application == ref.Application && s.Service == ref.Service && s.SessionEnd == ref.EndHeight {
			return s, true, nil
		}
	}
	return chain.Settlement{}, false, nil
}

func (e *Engine) ended(ctx context.Context, height int64, s raftfsm.Session, settlement chain.Settlement) error {
	switch settlement.Verdict {
	case chain.VerdictExpired:
		return e.end(ctx, height, s, raftfsm.StageExpired, e.expired(s))
	case chain.VerdictDiscarded:
		return e.end(ctx, height, s, raftfsm.StageLost, ReasonClaimDiscarded)
	}
	block, err := e.chain.BlockAt(ctx, height)
	if err != nil {
		return err
	}
	t := raftfsm.Transition{
		Key: s.Ref.Key(), Stage: raftfsm.StageSettled, Height: height, Time: block.Time.Unix(), Upokt: settlement.Upokt,
	}
	if s.ProofRequired == raftfsm.ProofUndecided { // no leader was there to find out in time
		t.ProofRequired = needOf(settlement.ProofRequired)
	}
	if err := e.advance(ctx, t); err != nil {
		return err
	}
	e.metrics.paid(s, settlement)
	if settlement.Relays != s.Count {
		e.logger.Error("the chain settled another number of relays than were sealed",
			append(sessionFields(s.Ref), zap.Uint64("sealed", s.Count), zap.Uint64("settled", settlement.Relays))...)
	}
	e.logger.Info("session settled", append(sessionFields(s.Ref),
		zap.Uint64("relays", settlement.Relays), zap.Uint64("upokt", settlement.Upokt))...)
	return e.free(ctx, s)
}

// expired is why the chain expired a claim.
func (e *Engine) expired(s raftfsm.Session) Reason {
	if _, ok := e.keys.Key(s.Ref.Supplier); !ok {
		return ReasonNoKey
	}
	return ReasonClaimExpired
}
