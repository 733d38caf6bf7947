package chain

import (
	"context"
	"fmt"
	"strconv"

	sdkgrpc "github.com/cosmos/cosmos-sdk/types/grpc"
	"github.com/cosmos/cosmos-sdk/types/query"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"google.golang.org/grpc/metadata"
)

// ClaimsEndingAt returns every claim that the proof module held at height for
// sessions that end at sessionEnd, by (supplier, session). It is the truth about
// inclusion: proofs are deleted in the block that validates them, and the
// verdict stays on the claim until it settles. A node that is behind refuses: what
// it knows would make a transaction that landed look lost.
func (c *Client) ClaimsEndingAt(ctx context.Context, sessionEnd, height int64) (map[SessionKey]prooftypes.Claim, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, sdkgrpc.GRPCBlockHeightHeader, strconv.FormatInt(height, 10))
	claims := make(map[SessionKey]prooftypes.Claim)
	page := &query.PageRequest{Limit: 1000}
	for {
		res, err := c.proof.AllClaims(ctx, &prooftypes.QueryAllClaimsRequest{
			Pagination: page,
			Filter:     &prooftypes.QueryAllClaimsRequest_SessionEndHeight{SessionEndHeight: uint64(sessionEnd)},
		})
		if err != nil {
			return nil, fmt.Errorf("query claims of sessions ending at %d: %w", sessionEnd, err)
		}
		for _, claim := range res.GetClaims() {
			claims[SessionKey{claim.SupplierOperatorAddress, claim.SessionHeader.GetSessionId()}] = claim
		}
		next := res.GetPagination().GetNextKey()
		if len(next) == 0 {
			return claims, nil
		}
		page = &query.PageRequest{Key: next, Limit: 1000}
	}
}

// ProofRequired decides as the chain does (x/proof/keeper,
// ProofRequirementForClaim) whether a claim with this root must be proved:
// its value reaches the threshold, or a sample seeded by the claim as it was
// when pending and by the block before the proof window falls under the
// configured probability.
func (c *Client) ProofRequired(ctx context.Context, ref SessionRef, root []byte) (bool, error) {
	proofParams, err := c.ProofParams(ctx)
	if err != nil {
		return false, err
	}
	claim := prooftypes.Claim{SupplierOperatorAddress: ref.Supplier, SessionHeader: ref.Header(), RootHash: root}
	value, err := c.claimedUpokt(ctx, ref, &claim)
	if err != nil {
		return false, err
	}
	if value >= proofParams.GetProofRequirementThreshold().Amount.Uint64() {
		return true, nil
	}
	windows, err := c.Windows(ctx, ref.EndHeight)
	if err != nil {
		return false, err
	}
	seed, err := c.BlockAt(ctx, windows.ProofOpen-1)
	if err != nil {
		return false, err
	}
	sample, err := claim.GetProofRequirementSampleValue(seed.Hash)
	if err != nil {
		return false, fmt.Errorf("sample the proof requirement of session %s: %w", ref.SessionID, err)
	}
	return sample <= proofParams.GetProofRequestProbability(), nil
}

// claimedUpokt prices a claim with the params of the session's start.
func (c *Client) claimedUpokt(ctx context.Context, ref SessionRef, claim *prooftypes.Claim) (uint64, error) {
	shared, err := c.SharedParams(ctx, ref.StartHeight)
	if err != nil {
		return 0, err
	}
	difficulty, err := c.difficulties.get(ctx, serviceAtHeight{ref.Service, ref.StartHeight})
	if err != nil {
		return 0, err
	}
	coin, err := claim.GetClaimeduPOKT(*shared, servicetypes.RelayMiningDifficulty(*difficulty))
	if err != nil {
		return 0, fmt.Errorf("price the claim of session %s: %w", ref.SessionID, err)
	}
	return coin.Amount.Uint64(), nil
}
