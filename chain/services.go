package chain

import (
	"context"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

type serviceAtHeight struct {
	service string
	height  int64
}

// Difficulty returns the 32-byte target of service effective at height (the
// session's start). A relay is mined when its hash is below the target.
func (c *Client) Difficulty(ctx context.Context, service string, height int64) ([]byte, error) {
	d, err := c.difficulties.get(ctx, serviceAtHeight{service, height})
	if err != nil {
		return nil, err
	}
	return d.GetTargetHash(), nil
}

func (c *Client) queryDifficulty(ctx context.Context, q serviceAtHeight) (*servicetypes.RelayMiningDifficulty, error) {
	res, err := c.service.RelayMiningDifficultyAtHeight(ctx, &servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{
		ServiceId: q.service, BlockHeight: q.height,
	})
	if err != nil {
		return nil, fmt.Errorf("query difficulty of service %s at height %d: %w", q.service, q.height, err)
	}
	difficulty := res.GetRelayMiningDifficulty()
	return &difficulty, nil
}

// ComputeUnitsPerRelay returns the weight of one relay of service, effective at
// height (the session's start): the chain rejects a claim whose sum is not
// count times this.
func (c *Client) ComputeUnitsPerRelay(ctx context.Context, service string, height int64) (uint64, error) {
	return c.computeUnits.get(ctx, serviceAtHeight{service, height})
}

func (c *Client) queryComputeUnits(ctx context.Context, q serviceAtHeight) (uint64, error) {
	res, err := c.service.ComputeUnitsPerRelayAtHeight(ctx, &servicetypes.QueryComputeUnitsPerRelayAtHeightRequest{
		ServiceId: q.service, BlockHeight: q.height,
	})
	if err != nil {
		return 0, fmt.Errorf("query compute units per relay of service %s at height %d: %w", q.service, q.height, err)
	}
	return res.GetComputeUnitsPerRelay(), nil
}
