package claims

import (
	"context"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// Estimate is what a session is expected to bring and to cost, in uPOKT.
type Estimate struct {
	Reward float64 // what the chain pays for the claim
	Cost   float64 // of the claim, and of a proof times the chance that one is required
}

// loses says that the session costs more than it pays. Of a session that nobody
// estimated nothing is known.
func (e Estimate) loses() bool { return e.Cost > e.Reward }

// fields are what a log line says of an estimate, if there is one.
func (e Estimate) fields() []zap.Field {
	if e == (Estimate{}) {
		return nil
	}
	return []zap.Field{zap.Float64("reward_upokt", e.Reward), zap.Float64("cost_upokt", e.Cost)}
}

// gasUse is the gas that a message of each kind asked for when one was simulated
// last. It starts at nothing: what is not known makes no session too expensive.
type gasUse struct{ claim, proof atomic.Uint64 }

func (g *gasUse) of(kind raftfsm.EffectKind) *atomic.Uint64 {
	if kind == raftfsm.EffectProof {
		return &g.proof
	}
	return &g.claim
}

// estimates prices the sessions that may be claimed.
func (e *Engine) estimates(ctx context.Context, sessions []raftfsm.Session) (map[chain.SessionKey]Estimate, error) {
	estimates := make(map[chain.SessionKey]Estimate)
	if !e.cfg.SkipUnprofitable {
		return estimates, nil
	}
	claimFee, proofFee := e.messageFee(raftfsm.EffectClaim), e.messageFee(raftfsm.EffectProof)
	for _, s := range sessions {
		if s.Stage != raftfsm.StageSealed || s.Count == 0 {
			continue
		}
		worth, err := e.chain.ClaimWorth(ctx, s.Ref, s.Root)
		if err != nil {
			return nil, err
		}
		estimates[s.Ref.Key()] = Estimate{
			Reward: worth.Reward, Cost: claimFee + worth.ProofChance*(proofFee+worth.ProofFee),
		}
	}
	return estimates, nil
}

// messageFee is the share of a transaction's fee that one message adds.
func (e *Engine) messageFee(kind raftfsm.EffectKind) float64 {
	return float64(e.gas.of(kind).Load()) * e.cfg.GasPrice
}
