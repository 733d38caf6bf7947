package chain

import (
	"context"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// Worth is what a claim promises, and what the proof module asks for it; the fees
// of transactions come on top.
type Worth struct {
	Claimed     uint64  // uPOKT that the application is to be charged
	Reward      float64 // uPOKT for the supplier and those it shares with
	ProofChance float64 // that a proof is required, from 0 to 1
	ProofFee    float64 // uPOKT for a proof
}

// ClaimWorth prices a claim with this root as settlement does, whether or not it is
// on chain. What the application cannot pay is not known before that.
func (c *Client) ClaimWorth(ctx context.Context, ref SessionRef, root []byte) (Worth, error) {
	claim := prooftypes.Claim{SupplierOperatorAddress: ref.Supplier, SessionHeader: ref.Header(), RootHash: root}
	value, err := c.claimedUpokt(ctx, ref, &claim)
	if err != nil {
		return Worth{}, err
	}
	tokenomics, err := c.tokenomicsParams.get(ctx, struct{}{})
	if err != nil {
		return Worth{}, err
	}
	proof, err := c.ProofParams(ctx)
	if err != nil {
		return Worth{}, err
	}
	return worthOf(value, tokenomics, proof), nil
}

// worthOf follows poktroll x/tokenomics/token_logic_module/
// tlm_relay_burn_equals_mint.go: mint_ratio of the claim is minted, and the supplier
// gets its share of that.
func worthOf(value uint64, tokenomics *tokenomicstypes.Params, proof *prooftypes.Params) Worth {
	share := tokenomics.GetMintRatio() * tokenomics.GetMintEqualsBurnClaimDistribution().Supplier
	w := Worth{Claimed: value, Reward: float64(value) * share, ProofChance: proof.GetProofRequestProbability()}
	if value >= proof.GetProofRequirementThreshold().Amount.Uint64() {
		w.ProofChance = 1
	}
	if fee := proof.GetProofSubmissionFee(); fee != nil {
		w.ProofFee = float64(fee.Amount.Uint64())
	}
	return w
}
