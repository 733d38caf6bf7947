package claims

import (
	"context"
	"crypto/sha256"
	"fmt"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/raftfsm"
)

// observeTxs resolves the pending intents.
func (e *Engine) observeTxs(ctx context.Context, block chain.Block, sessions map[chain.SessionKey]raftfsm.Session, pending []raftfsm.Intent, state onChain) error {
	results, err := e.scan(ctx, block.Height, sessions, pending)
	if err != nil {
		return err
	}
	for _, intent := range pending {
		resolution, done, err := e.resolution(ctx, block, intent, sessions, state, results)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		if err := e.resolve(ctx, intent, resolution); err != nil {
			return err
		}
	}
	return nil
}

// scan reads the transactions of the blocks that came since the last scan, or
// since the oldest window in which a pending intent may have been sent.
func (e *Engine) scan(ctx context.Context, height int64, sessions map[chain.SessionKey]raftfsm.Session, pending []raftfsm.Intent) (map[[sha256.Size]byte]chain.TxResult, error) {
	results := make(map[[sha256.Size]byte]chain.TxResult)
	from := height
	for _, intent := range pending {
		for _, key := range intent.SessionKeys() {
			s, ok := sessions[key]
			if !ok {
				continue
			}
			windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
			if err != nil {
				return nil, err
			}
			from = min(from, windows.ClaimOpen)
		}
	}
	if e.scanned > 0 {
		from = max(from, e.scanned+1)
	}
	for h := from; h <= height && len(pending) > 0; h++ {
		block, err := e.chain.TxResults(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("scan block %d: %w", h, err)
		}
		for hash, result := range block {
			results[hash] = result
		}
	}
	e.scanned = height
	return results, nil
}

// resolution decides whether an intent has landed, can never land, or is open.
func (e *Engine) resolution(ctx context.Context, block chain.Block, intent raftfsm.Intent, sessions map[chain.SessionKey]raftfsm.Session, state onChain, results map[[sha256.Size]byte]chain.TxResult) (raftfsm.Resolve, bool, error) {
	r := raftfsm.Resolve{Epoch: e.epoch, Batch: intent.Batch, Attempt: intent.Attempt, Height: block.Height}
	effected, past := true, false
	for _, key := range intent.SessionKeys() {
		s, ok := sessions[key]
		if !ok {
			return r, false, fmt.Errorf("intent %s names session %s, which is not there", intent.Key(), key.SessionID)
		}
		effected = effected && (state.effected(intent.Kind, s) || beyond(intent.Kind, s.Stage))
		windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
		if err != nil {
			return r, false, err
		}
		past = block.Height > closeOf(intent.Kind, windows)
	}
	result, included := results[[sha256.Size]byte(intent.TxHash)]
	switch {
	case effected:
		r.Status = raftfsm.IntentLanded
	case included && result.Code != 0:
		r.Status, r.Code, r.Reason, r.Height = raftfsm.IntentDead, result.Code, result.Log, result.Height
	case past:
		r.Status, r.Reason = raftfsm.IntentDead, "window closed"
	case block.Time.UnixNano() > intent.Timeout:
		r.Status, r.Reason = raftfsm.IntentDead, "timeout"
	default:
		return r, false, nil
	}
	return r, true, nil
}

// beyond says that a session at this stage has had the effect.
func beyond(kind raftfsm.EffectKind, stage raftfsm.Stage) bool {
	switch stage {
	case raftfsm.StageProved, raftfsm.StageSettled:
		return true
	case raftfsm.StageClaimed, raftfsm.StageExpired:
		return kind == raftfsm.EffectClaim
	}
	return false
}

func closeOf(kind raftfsm.EffectKind, w chain.Windows) int64 {
	if kind == raftfsm.EffectProof {
		return w.ProofClose
	}
	return w.ClaimClose
}

func (e *Engine) resolve(ctx context.Context, intent raftfsm.Intent, r raftfsm.Resolve) error {
	if _, err := e.log.Apply(ctx, r); err != nil {
		return fmt.Errorf("resolve intent %s: %w", intent.Key(), err)
	}
	failpoint.Hit("claims." + intent.Kind.String() + "_" + r.Status.String())
	e.metrics.resolved(intent, r)
	fields := []zap.Field{
		zap.Stringer("kind", intent.Kind), zap.Stringer("intent", intent.Key()), zap.Stringer("status", r.Status),
		zap.Int64("height", r.Height), zap.String("supplier", intent.Supplier), zap.Int("sessions", len(intent.Sessions)),
	}
	if r.Status == raftfsm.IntentDead {
		e.logger.Warn("transaction is dead", append(fields, zap.Uint32("code", r.Code), zap.String("reason", r.Reason))...)
		return nil
	}
	e.logger.Info("transaction landed", fields...)
	return nil
}
