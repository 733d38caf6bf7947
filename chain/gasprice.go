package chain

import (
	"context"
	"fmt"

	nodetypes "github.com/cosmos/cosmos-sdk/client/grpc/node"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/pokt-network/poktroll/app/pocket"
)

// MinGasPrice is the least that the nodes take a transaction for, in uPOKT per unit
// of gas; 0 when they do not ask for uPOKT.
func (c *Client) MinGasPrice(ctx context.Context) (float64, error) {
	return c.minGasPrice.get(ctx, struct{}{})
}

func (c *Client) queryMinGasPrice(ctx context.Context, _ struct{}) (float64, error) {
	res, err := nodetypes.NewServiceClient(c.nodes).Config(ctx, &nodetypes.ConfigRequest{})
	if err != nil {
		return 0, fmt.Errorf("query the node's minimum gas price: %w", err)
	}
	prices, err := sdk.ParseDecCoins(res.GetMinimumGasPrice())
	if err != nil {
		return 0, fmt.Errorf("minimum gas price %q: %w", res.GetMinimumGasPrice(), err)
	}
	return prices.AmountOf(pocket.DenomuPOKT).Float64()
}
