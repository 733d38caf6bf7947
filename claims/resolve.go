package claims

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/raftfsm"
)

// scanParallel bounds the blocks that are read at once.
const scanParallel = 8

// land resolves the intents whose effects are all on chain, and returns the others.
func (e *Engine) land(ctx context.Context, block chain.Block, intents []raftfsm.Intent, sessions map[chain.SessionKey]raftfsm.Session, state onChain) (pending []raftfsm.Intent, err error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, intent := range intents {
		landed := true
		for _, key := range intent.SessionKeys() {
			s, ok := sessions[key]
			if !ok {
				return nil, errors.Join(group.Wait(), fmt.Errorf("intent %s names session %s, which is not there", intent.Key(), key.SessionID))
			}
			landed = landed && (state.effected(intent.Kind, s) || beyond(intent.Kind, s.Stage))
		}
		if !landed {
			pending = append(pending, intent)
			continue
		}
		group.Go(func() error { return e.resolve(groupCtx, intent, e.resolution(block, intent, raftfsm.IntentLanded)) })
	}
	return pending, group.Wait()
}

// bury resolves the intents that can land no more. It comes last: a leader that
// has just begun may have many blocks to read for it, and what stays open for
// that long is only sent once more.
func (e *Engine) bury(ctx context.Context, block chain.Block, seen observed) error {
	results, err := e.scan(ctx, block.Height, seen)
	if err != nil {
		return err
	}
	overtaken, err := e.overtaken(ctx, block.Height, seen.pending)
	if err != nil {
		return err
	}
	for _, intent := range seen.pending {
		windows, err := e.chain.Windows(ctx, intentEnd(intent, seen.sessions))
		if err != nil {
			return err
		}
		r := e.resolution(block, intent, raftfsm.IntentDead)
		result, included := results[[sha256.Size]byte(intent.TxHash)]
		switch {
		case included && outOfGas(result):
			r.Reason, r.Height = reasonOutOfGas, result.Height
		case included && result.Code != 0:
			r.Code, r.Reason, r.Height = result.Code, result.Log, result.Height
		case overtaken[intent.Key()]:
			r.Reason = reasonSequenceTaken
		case block.Height > closeOf(intent.Kind, windows):
			r.Reason = "window closed"
		case block.Time.UnixNano() > intent.Timeout:
			r.Reason = "timeout"
		default:
			continue
		}
		if err := e.resolve(ctx, intent, r); err != nil {
			return err
		}
	}
	return nil
}

// reasonOutOfGas is why a transaction is dead whose messages may all be good. It has
// no code, as what times out: the same batch is tried again.
const reasonOutOfGas = "out of gas"

func outOfGas(r chain.TxResult) bool {
	return r.Codespace == sdkerrors.RootCodespace && r.Code == sdkerrors.ErrOutOfGas.ABCICode()
}

// scan reads the transactions of the blocks that came since the last scan, or
// since the first pending intent was decided on, in its window.
func (e *Engine) scan(ctx context.Context, height int64, seen observed) (map[[sha256.Size]byte]chain.TxResult, error) {
	results := make(map[[sha256.Size]byte]chain.TxResult)
	from := height + 1
	for _, intent := range seen.pending {
		windows, err := e.chain.Windows(ctx, intentEnd(intent, seen.sessions))
		if err != nil {
			return nil, err
		}
		from = min(from, max(openOf(intent.Kind, windows), intent.IntendedHeight))
	}
	from = max(from, e.scanned+1)
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(scanParallel)
	for h := from; h <= height; h++ {
		group.Go(func() error {
			block, err := e.chain.TxResults(groupCtx, h)
			if err != nil {
				return fmt.Errorf("scan block %d: %w", h, err)
			}
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(results, block)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	e.scanned = height
	return results, nil
}

// intentEnd is when the sessions of an intent ended: all at once.
func intentEnd(intent raftfsm.Intent, sessions map[chain.SessionKey]raftfsm.Session) int64 {
	return sessions[intent.SessionKeys()[0]].Ref.EndHeight
}

func (e *Engine) resolution(block chain.Block, intent raftfsm.Intent, status raftfsm.IntentStatus) raftfsm.Resolve {
	return raftfsm.Resolve{Epoch: e.epoch, Batch: intent.Batch, Attempt: intent.Attempt, Height: block.Height, Status: status}
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

func openOf(kind raftfsm.EffectKind, w chain.Windows) int64 {
	if kind == raftfsm.EffectProof {
		return w.ProofOpen
	}
	return w.ClaimOpen
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
