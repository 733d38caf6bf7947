package pocketchain

import (
	"context"
	"fmt"

	"github.com/cosmos/cosmos-sdk/types/query"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
)

// allPages asks for everything in one page; a devnet has no more than that.
const allPages = 100_000

// Balance is the spendable upokt of an address.
func (c *Chain) Balance(ctx context.Context, address string) (int64, error) {
	res, err := banktypes.NewQueryClient(c.conn).Balance(ctx, &banktypes.QueryBalanceRequest{Address: address, Denom: Denom})
	if err != nil {
		return 0, fmt.Errorf("balance of %s: %w", address, err)
	}
	return res.Balance.Amount.Int64(), nil
}

// Stake is the upokt that a supplier has at stake.
func (c *Chain) Stake(ctx context.Context, supplier string) (int64, error) {
	res, err := suppliertypes.NewQueryClient(c.conn).Supplier(ctx, &suppliertypes.QueryGetSupplierRequest{OperatorAddress: supplier})
	if err != nil {
		return 0, fmt.Errorf("supplier %s: %w", supplier, err)
	}
	return res.Supplier.Stake.Amount.Int64(), nil
}

// SharedParams are the live shared parameters.
func (c *Chain) SharedParams(ctx context.Context) (*sharedtypes.Params, error) {
	res, err := sharedtypes.NewQueryClient(c.conn).Params(ctx, &sharedtypes.QueryParamsRequest{})
	if err != nil {
		return nil, fmt.Errorf("shared params: %w", err)
	}
	return &res.Params, nil
}

// Session is the session of application and service at height.
func (c *Chain) Session(ctx context.Context, app, service string, height int64) (*sessiontypes.Session, error) {
	res, err := sessiontypes.NewQueryClient(c.conn).GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: app, ServiceId: service, BlockHeight: height,
	})
	if err != nil {
		return nil, fmt.Errorf("session of %s for %s at %d: %w", app, service, height, err)
	}
	return res.Session, nil
}

// Claims are the claims that wait for proof or settlement.
func (c *Chain) Claims(ctx context.Context) ([]prooftypes.Claim, error) {
	res, err := prooftypes.NewQueryClient(c.conn).AllClaims(ctx, &prooftypes.QueryAllClaimsRequest{
		Pagination: &query.PageRequest{Limit: allPages},
	})
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return res.Claims, nil
}
