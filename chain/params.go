package chain

import (
	"context"
	"fmt"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// SharedParams returns the shared module params effective at height. Session
// timing uses the session's end height, prices its start height.
func (c *Client) SharedParams(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	return c.sharedParams.get(ctx, height)
}

// pastBlocks is how far behind the head a height is past for every node that is asked.
const pastBlocks = 10

// sharedParamsTTL is short for what a block may still change.
func (c *Client) sharedParamsTTL(height int64) time.Duration {
	c.nodes.mu.Lock()
	defer c.nodes.mu.Unlock()
	if height+pastBlocks <= c.nodes.best.Height {
		return immutableTTL
	}
	return paramsTTL
}

func (c *Client) querySharedParams(ctx context.Context, height int64) (*sharedtypes.Params, error) {
	res, err := c.shared.ParamsAtHeight(ctx, &sharedtypes.QueryParamsAtHeightRequest{Height: height})
	if err != nil {
		return nil, fmt.Errorf("query shared params at height %d: %w", height, err)
	}
	params := res.GetParams()
	return &params, nil
}

// Windows returns the windows of the session that ends at sessionEnd.
func (c *Client) Windows(ctx context.Context, sessionEnd int64) (Windows, error) {
	params, err := c.SharedParams(ctx, sessionEnd)
	if err != nil {
		return Windows{}, err
	}
	return WindowsOf(params, sessionEnd), nil
}

// ProofParams returns the current proof module params: poktroll reads them live
// when it decides whether a proof is required.
func (c *Client) ProofParams(ctx context.Context) (*prooftypes.Params, error) {
	return c.proofParams.get(ctx, struct{}{})
}

func (c *Client) queryProofParams(ctx context.Context, _ struct{}) (*prooftypes.Params, error) {
	res, err := c.proof.Params(ctx, &prooftypes.QueryParamsRequest{})
	if err != nil {
		return nil, fmt.Errorf("query proof params: %w", err)
	}
	params := res.GetParams()
	return &params, nil
}

// WindowsAt returns the windows of the session that height lies in.
func (c *Client) WindowsAt(ctx context.Context, height int64) (Windows, error) {
	params, err := c.SharedParams(ctx, height)
	if err != nil {
		return Windows{}, err
	}
	return c.Windows(ctx, sharedtypes.GetSessionEndHeight(params, height))
}
