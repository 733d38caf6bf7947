package chain

import (
	"context"
	"fmt"
	"strconv"
	"time"

	sdkgrpc "github.com/cosmos/cosmos-sdk/types/grpc"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"google.golang.org/grpc/metadata"
)

const (
	// spendingBlocks is over how many blocks it is looked what an account spends: some
	// sessions, and few enough for every node that keeps any state of the past.
	spendingBlocks = 720
	// spendingLeast is fewer than say anything.
	spendingLeast = 20
)

// balance is what an account can pay fees with, at a height; now if that is 0.
func (c *Client) balance(ctx context.Context, address string, height int64) (int64, error) {
	if height > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, sdkgrpc.GRPCBlockHeightHeader, strconv.FormatInt(height, 10))
	}
	res, err := c.bank.Balance(ctx, &banktypes.QueryBalanceRequest{Address: address, Denom: feeDenom})
	if err != nil {
		return 0, fmt.Errorf("query balance of %s: %w", address, err)
	}
	if coin := res.GetBalance(); coin != nil && coin.Amount.IsInt64() {
		return coin.Amount.Int64(), nil
	}
	return 0, nil
}

// spending is how many uPOKT a day an account lost over the last blocks, whatever it
// paid for: 0 if it lost nothing, was topped up meanwhile, or if no node knows of so
// long ago.
func (c *Client) spending(ctx context.Context, address string, balance int64) float64 {
	newest := c.nodes.newest()
	from := max(1, newest.Height-spendingBlocks)
	if newest.Height-from < spendingLeast {
		return 0
	}
	before, err := c.balance(ctx, address, from)
	if err != nil || before <= balance {
		return 0
	}
	then, err := c.BlockAt(ctx, from)
	if err != nil {
		return 0
	}
	return perDay(before-balance, newest.Time.Sub(then.Time))
}

func perDay(amount int64, over time.Duration) float64 {
	if over <= 0 {
		return 0
	}
	return float64(amount) * float64(24*time.Hour) / float64(over)
}
