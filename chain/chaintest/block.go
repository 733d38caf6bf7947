package chaintest

import (
	"context"
	"maps"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/chain"
)

// Next commits a block.
func (c *Chain) Next() chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Height++
	if c.Slow {
		c.late += 2 * max(1, c.Spacing)
	}
	c.lateAt[c.Height] = c.late
	c.results[c.Height] = make(map[[32]byte]chain.TxResult)
	for hash, tx := range c.Mempool {
		delete(c.Mempool, hash)
		draft := c.drafts[string(tx)]
		used := !draft.Ordered && c.nonces[nonceOf(tx)]
		if c.done[hash] || used || c.outOfOrder(draft) != nil || c.blockTime(c.Height).After(draft.Timeout) {
			continue
		}
		if draft.Ordered {
			c.Nonce++
		}
		c.done[hash], c.nonces[nonceOf(tx)] = true, true
		result := c.run(draft)
		result.Height = c.Height
		c.results[c.Height][hash] = result
	}
	c.settle()
	c.Past[c.Height] = maps.Clone(c.Claims)
	block, _ := c.BlockAt(context.Background(), c.Height)
	return block
}

// run is atomic: one bad message fails all.
func (c *Chain) run(draft chain.TxDraft) chain.TxResult {
	c.Executed++
	c.Paid = append(c.Paid, float64(draft.Fee.AmountOf("upokt").Int64()))
	if c.GasUsed*1000 > float64(draft.Gas) {
		return chain.TxResult{Codespace: "sdk", Code: 11}
	}
	for _, msg := range draft.Msgs {
		if c.Poison[sessionOfMsg(msg)] {
			return chain.TxResult{Codespace: "proof", Code: 5}
		}
	}
	before := maps.Clone(c.Claims)
	for _, msg := range draft.Msgs {
		if code := c.against(msg, c.Height); code != 0 {
			c.Claims = before
			return chain.TxResult{Codespace: refused, Code: code}
		}
		switch m := msg.(type) {
		case *prooftypes.MsgCreateClaim:
			c.Claims[keyOf(m)] = prooftypes.Claim{SupplierOperatorAddress: m.SupplierOperatorAddress, SessionHeader: m.SessionHeader, RootHash: m.RootHash}
		case *prooftypes.MsgSubmitProof:
			claim := c.Claims[keyOf(m)]
			claim.ProofValidationStatus = prooftypes.ClaimProofStatus_VALIDATED
			c.Claims[keyOf(m)] = claim
		}
	}
	return chain.TxResult{}
}

func (c *Chain) settle() {
	for key, claim := range c.Claims {
		h := claim.SessionHeader
		if windows, _ := c.Windows(context.Background(), h.SessionEndBlockHeight); c.Height != windows.Settlement {
			continue
		}
		s := chain.Settlement{Supplier: key.Supplier, Application: h.ApplicationAddress, Service: h.ServiceId, SessionEnd: h.SessionEndBlockHeight, Relays: 1, Upokt: 42}
		if claim.ProofValidationStatus != prooftypes.ClaimProofStatus_VALIDATED && !c.NoProof {
			s.Verdict, s.Upokt = chain.VerdictExpired, 0
		}
		c.settled[c.Height] = append(c.settled[c.Height], s)
		delete(c.Claims, key)
	}
}
