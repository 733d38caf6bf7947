package chaintest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/chain"
)

// SignTx notes the draft; its text stands for the bytes.
func (c *Chain) SignTx(_ context.Context, key *chain.SupplierKey, draft chain.TxDraft) ([]byte, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %d %d %v %d", key.Address(), draft.Timeout.UnixNano(), draft.Gas, draft.Ordered, draft.Sequence)
	for _, msg := range draft.Msgs {
		fmt.Fprintf(&text, " %T %s", msg, sessionOfMsg(msg))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drafts[text.String()] = draft
	return []byte(text.String()), nil
}

func sessionOfMsg(msg sdk.Msg) string {
	if m, ok := msg.(interface {
		GetSessionHeader() *sessiontypes.SessionHeader
	}); ok {
		return m.GetSessionHeader().GetSessionId()
	}
	return ""
}

// Simulate runs a transaction against the newest state.
func (c *Chain) Simulate(_ context.Context, tx []byte) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	draft := c.drafts[string(tx)]
	if err := c.outOfOrder(draft); err != nil {
		return 0, fmt.Errorf("simulate transaction: %w", err)
	}
	for _, msg := range draft.Msgs {
		if c.Simulated[sessionOfMsg(msg)] || c.against(msg, c.Height) != 0 {
			return 0, errors.New("simulation failed")
		}
	}
	return 1000, nil
}

// Broadcast takes a transaction for the next block.
func (c *Chain) Broadcast(_ context.Context, tx []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Order = append(c.Order, "broadcast")
	draft := c.drafts[string(tx)]
	if c.outOfOrder(draft) != nil || !draft.Ordered && c.nonces[nonceOf(tx)] || c.blockTime(c.Height).After(draft.Timeout) || c.Refuse || float64(draft.Fee.AmountOf("upokt").Int64()) < c.MinPrice*float64(draft.Gas) {
		return chain.ErrTxRefused
	}
	if !c.Swallow {
		c.Mempool[sha256.Sum256(tx)] = tx
	}
	if c.Mute {
		return errors.New("connection reset by peer")
	}
	return nil
}

// nonceOf tells unordered transactions apart: the chain runs one of a sender and a
// timeout.
func nonceOf(tx []byte) string {
	words := strings.SplitN(string(tx), " ", 3)
	return words[0] + words[1]
}

// outOfOrder is what cosmos-sdk x/auth/ante has against the order of a transaction.
func (c *Chain) outOfOrder(draft chain.TxDraft) error {
	switch {
	case !draft.Ordered && c.Ordered:
		return chain.ErrNoUnordered
	case draft.Ordered && draft.Sequence != c.Nonce:
		return chain.ErrSequence
	}
	return nil
}

// Sequence is the next of the account, at a height.
func (c *Chain) Sequence(_ context.Context, _ string, height int64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height > c.Height-c.Behind {
		return 0, fmt.Errorf("height %d is in the future", height)
	}
	return c.Nonce, nil
}

// SequenceOf is the sequence of an ordered transaction.
func (c *Chain) SequenceOf(tx []byte) (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	draft := c.drafts[string(tx)]
	return draft.Sequence, draft.Ordered
}
