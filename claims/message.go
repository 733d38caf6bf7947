package claims

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/pokt-network/poktroll/pkg/crypto/protocol"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// message is what a transaction says about one session. It carries its session,
// so results never depend on positions in parallel slices.
type message struct {
	session raftfsm.Session
	msg     sdk.Msg
}

func sessionsOf(messages []message) []raftfsm.Session {
	sessions := make([]raftfsm.Session, len(messages))
	for i, m := range messages {
		sessions[i] = m.session
	}
	return sessions
}

// claimMessages needs nothing but the replicated state: a claim can be sent
// with Redis gone.
func claimMessages(sessions []raftfsm.Session) []message {
	messages := make([]message, len(sessions))
	for i, s := range sessions {
		messages[i] = message{s, &prooftypes.MsgCreateClaim{
			SupplierOperatorAddress: s.Ref.Supplier,
			SessionHeader:           s.Ref.Header(),
			RootHash:                s.Root,
		}}
	}
	return messages
}

// prove builds the proofs of a batch and submits them. A session whose proof
// cannot be built must not keep the others from being proved.
func (e *Engine) prove(ctx context.Context, block chain.Block, sessions []raftfsm.Session, marks *marks) error {
	var messages []message
	var errs []error
	for _, s := range sessions {
		proof, err := e.buildProof(ctx, s)
		if err != nil {
			marks.hold([]raftfsm.Session{s})
			errs = append(errs, fmt.Errorf("prove session %s: %w", s.Ref.SessionID, err))
			continue
		}
		messages = append(messages, message{s, proof})
	}
	if len(messages) > 0 {
		errs = append(errs, e.submit(ctx, block, raftfsm.EffectProof, messages, marks))
	}
	return errors.Join(errs...)
}

// buildProof proves the leaf closest to the path that the block before the
// proof window picks (poktroll x/proof/keeper/proof_validation.go).
func (e *Engine) buildProof(ctx context.Context, s raftfsm.Session) (sdk.Msg, error) {
	windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
	if err != nil {
		return nil, err
	}
	seed, err := e.chain.BlockAt(ctx, windows.ProofOpen-1)
	if err != nil {
		return nil, err
	}
	proof, err := e.trees.Prove(ctx, s.Ref.Key(), protocol.GetPathForProof(seed.Hash, s.Ref.SessionID))
	if err != nil {
		return nil, err
	}
	return &prooftypes.MsgSubmitProof{
		SupplierOperatorAddress: s.Ref.Supplier,
		SessionHeader:           s.Ref.Header(),
		Proof:                   proof,
	}, nil
}
