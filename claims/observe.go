package claims

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/raftfsm"
)

// onChain is what the proof module holds, by session end height.
type onChain map[int64]map[chain.SessionKey]prooftypes.Claim

// observe brings the replicated state up to what the chain shows: intents that
// landed or died, and effects that are there although nobody recorded them.
// Inclusion is read from module state, which every full node can answer.
func (e *Engine) observe(ctx context.Context, block chain.Block) error {
	var intents []raftfsm.Intent
	sessions := make(map[chain.SessionKey]raftfsm.Session)
	e.log.View(func(s *raftfsm.State) {
		for session := range s.Sessions() {
			sessions[session.Ref.Key()] = session
		}
		for intent := range s.Intents() {
			if intent.Status == raftfsm.IntentPending {
				intents = append(intents, intent)
			}
		}
	})
	state, err := e.readClaims(ctx, block.Height, sessions)
	if err != nil {
		return err
	}
	if err := e.reconcile(ctx, block, sessions, intents, state); err != nil {
		return err
	}
	return e.observeTxs(ctx, block, sessions, intents, state)
}

// readClaims asks for the claims of every session end that is at stake.
func (e *Engine) readClaims(ctx context.Context, height int64, sessions map[chain.SessionKey]raftfsm.Session) (onChain, error) {
	state := make(onChain)
	for _, s := range sessions {
		if _, read := state[s.Ref.EndHeight]; read || !unsettled(s) {
			continue
		}
		windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
		if err != nil {
			return nil, err
		}
		if height < windows.ClaimOpen || height > windows.Settlement {
			continue
		}
		claims, err := e.chain.ClaimsEndingAt(ctx, s.Ref.EndHeight)
		if err != nil {
			return nil, err
		}
		state[s.Ref.EndHeight] = claims
	}
	return state, nil
}

// unsettled says that the chain may still show something new about s.
func unsettled(s raftfsm.Session) bool {
	return s.Stage == raftfsm.StageSealed || s.Stage == raftfsm.StageClaimed
}

// effected tells whether the chain holds the effect of kind for s.
func (o onChain) effected(kind raftfsm.EffectKind, s raftfsm.Session) bool {
	claim, ok := o[s.Ref.EndHeight][s.Ref.Key()]
	if !ok || !bytes.Equal(claim.RootHash, s.Root) {
		return false
	}
	return kind == raftfsm.EffectClaim || claim.ProofValidationStatus == prooftypes.ClaimProofStatus_VALIDATED
}

// reconcile advances sessions that the chain shows to be further than recorded,
// by whoever's hand, and ends those whose proof it rejected.
func (e *Engine) reconcile(ctx context.Context, block chain.Block, sessions map[chain.SessionKey]raftfsm.Session, pending []raftfsm.Intent, state onChain) error {
	intended := make(map[chain.SessionKey]bool)
	for _, intent := range pending {
		for _, key := range intent.SessionKeys() {
			intended[key] = true
		}
	}
	for _, key := range sortedKeys(sessions) {
		s := sessions[key]
		claim, ok := state[s.Ref.EndHeight][key]
		if !ok || !unsettled(s) {
			continue
		}
		if err := e.reconcileOne(ctx, block, s, claim, state, intended[key]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) reconcileOne(ctx context.Context, block chain.Block, s raftfsm.Session, claim prooftypes.Claim, state onChain, intended bool) error {
	switch {
	case !bytes.Equal(claim.RootHash, s.Root):
		e.metrics.foreignRoots.Inc()
		e.logger.Error("the chain holds another root than the sealed one: is a second miner using this key?",
			append(sessionFields(s.Ref), zap.Binary("sealed_root", s.Root), zap.Binary("chain_root", claim.RootHash))...)
		return nil
	case claim.ProofValidationStatus == prooftypes.ClaimProofStatus_INVALID:
		return e.end(ctx, block.Height, s, raftfsm.StageLost, ReasonProofInvalid)
	case intended:
		return nil // the intent's own resolution moves it
	case s.Stage == raftfsm.StageSealed:
		return e.advance(ctx, raftfsm.Transition{Key: s.Ref.Key(), Stage: raftfsm.StageClaimed, Height: block.Height})
	case state.effected(raftfsm.EffectProof, s):
		return e.advance(ctx, raftfsm.Transition{Key: s.Ref.Key(), Stage: raftfsm.StageProved, Height: block.Height})
	}
	return nil
}

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

func sortedKeys(sessions map[chain.SessionKey]raftfsm.Session) []chain.SessionKey {
	keys := make([]chain.SessionKey, 0, len(sessions))
	for key := range sessions {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, chain.SessionKey.Compare)
	return keys
}
