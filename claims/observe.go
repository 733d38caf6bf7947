package claims

import (
	"bytes"
	"context"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// onChain is what the proof module holds, by session end height.
type onChain map[int64]map[chain.SessionKey]prooftypes.Claim

// observed is what a block left to be decided.
type observed struct {
	sessions map[chain.SessionKey]raftfsm.Session
	pending  []raftfsm.Intent // not seen to have landed
}

// observe brings the replicated state up to what the proof module shows: intents
// that landed, and effects that are there although nobody recorded them. Every
// full node can answer that.
func (e *Engine) observe(ctx context.Context, block chain.Block) (observed, error) {
	seen := observed{sessions: make(map[chain.SessionKey]raftfsm.Session)}
	var intents []raftfsm.Intent
	e.log.View(func(s *raftfsm.State) {
		for session := range s.Sessions() {
			seen.sessions[session.Ref.Key()] = session
		}
		for intent := range s.Intents() {
			if intent.Status == raftfsm.IntentPending {
				intents = append(intents, intent)
			}
		}
	})
	state, err := e.readClaims(ctx, block.Height, seen.sessions)
	if err != nil {
		return seen, err
	}
	if err := e.reconcile(ctx, block, seen.sessions, intents, state); err != nil {
		return seen, err
	}
	seen.pending, err = e.land(ctx, block, intents, seen.sessions, state)
	return seen, err
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
		claims, err := e.chain.ClaimsEndingAt(ctx, s.Ref.EndHeight, height)
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

func sortedKeys(sessions map[chain.SessionKey]raftfsm.Session) []chain.SessionKey {
	keys := make([]chain.SessionKey, 0, len(sessions))
	for key := range sessions {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, chain.SessionKey.Compare)
	return keys
}
