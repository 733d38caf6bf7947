package claims

import (
	"context"
	"sync"

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

// lastFees is what a message of each kind added to the fee of the last transaction
// that was priced, in uPOKT. It starts at nothing: what is not known makes no session
// too expensive.
type lastFees struct {
	mu           sync.Mutex
	claim, proof float64
}

func (l *lastFees) note(kind raftfsm.EffectKind, fee float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kind == raftfsm.EffectProof {
		l.proof = fee
	} else {
		l.claim = fee
	}
}

func (l *lastFees) get() (claim, proof float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim, l.proof
}

// estimates prices the sessions that may be claimed. One that cannot be priced is left
// out, and so is claimed: it must not keep the others waiting.
func (e *Engine) estimates(ctx context.Context, sessions []raftfsm.Session) map[chain.SessionKey]Estimate {
	estimates := make(map[chain.SessionKey]Estimate)
	if !e.cfg.SkipUnprofitable {
		return estimates
	}
	claimFee, proofFee := e.fees.get()
	for _, s := range sessions {
		if s.Stage != raftfsm.StageSealed || s.Count == 0 {
			continue
		}
		worth, known := e.price(ctx, s.Ref, s.Root)
		if !known {
			continue
		}
		estimates[s.Ref.Key()] = Estimate{
			Reward: worth.Reward, Cost: claimFee + worth.ProofChance*(proofFee+worth.ProofFee),
		}
	}
	return estimates
}

// price asks what a claim is worth, and says in the log when that cannot be told now.
func (e *Engine) price(ctx context.Context, ref chain.SessionRef, root []byte) (worth chain.Worth, known bool) {
	worth, err := e.chain.ClaimWorth(ctx, ref, root)
	if err != nil {
		e.logger.Warn("session cannot be priced", append(sessionFields(ref), zap.Error(err))...)
	}
	return worth, err == nil
}
