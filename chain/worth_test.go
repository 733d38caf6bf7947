package chain

import (
	"testing"

	sdk "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

func TestWorth(t *testing.T) {
	threshold, fee := sdk.NewInt64Coin("upokt", 20_000), sdk.NewInt64Coin("upokt", 1_000)
	tokenomics := &tokenomicstypes.Params{
		MintRatio:                       0.5,
		MintEqualsBurnClaimDistribution: tokenomicstypes.MintEqualsBurnClaimDistribution{Supplier: 0.75, Dao: 0.25},
	}
	proof := &prooftypes.Params{ProofRequestProbability: 0.25, ProofRequirementThreshold: &threshold, ProofSubmissionFee: &fee}
	for name, tc := range map[string]struct {
		value uint64
		want  Worth
	}{
		"below the threshold": {19_999, Worth{Claimed: 19_999, Reward: 19_999 * 0.375, ProofChance: 0.25, ProofFee: 1_000}},
		"at the threshold":    {20_000, Worth{Claimed: 20_000, Reward: 7_500, ProofChance: 1, ProofFee: 1_000}},
		"nothing":             {0, Worth{ProofChance: 0.25, ProofFee: 1_000}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := worthOf(tc.value, tokenomics, proof); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
