package chain

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
)

// feeDenom is what fees are paid in.
const feeDenom = "upokt"

// Standing is what the chain knows of a supplier's operator now.
type Standing struct {
	Supplier  string
	Staked    bool
	Spare     int64    // uPOKT of its stake above what it must keep: below that it is unstaked
	LastBlock int64    // of its last session, once it unstakes; 0 before
	Services  []string // that it is staked for
	Balance   int64    // uPOKT that its account can pay fees with
	Spending  float64  // uPOKT a day that it lost lately; 0 when it did not, or nobody can tell
	PubKey    bool     // the chain knows the account's public key
}

// Standing asks for all that a supplier needs to earn. Nothing of it is cached.
func (c *Client) Standing(ctx context.Context, supplier string) (Standing, error) {
	s := Standing{Supplier: supplier}
	res, err := c.supplier.Supplier(ctx, &suppliertypes.QueryGetSupplierRequest{OperatorAddress: supplier, Dehydrated: true})
	switch {
	case err == nil:
		s.Staked, s.LastBlock = true, int64(res.Supplier.UnstakeSessionEndHeight)
		if s.Spare, err = c.spareStake(ctx, res.Supplier.Stake); err != nil {
			return Standing{}, err
		}
		for _, config := range res.Supplier.Services {
			s.Services = append(s.Services, config.ServiceId)
		}
	case !Absent(err):
		return Standing{}, fmt.Errorf("query supplier %s: %w", supplier, err)
	}
	account, err := c.account(ctx, supplier)
	if Absent(err) {
		return s, nil // nobody ever sent it anything
	}
	if err != nil {
		return Standing{}, err
	}
	s.PubKey = account.GetPubKey() != nil
	if s.Balance, err = c.balance(ctx, supplier, 0); err != nil {
		return Standing{}, err
	}
	s.Spending = c.spending(ctx, supplier, s.Balance)
	return s, nil
}

// spareStake follows poktroll x/tokenomics/keeper/settle_pending_claims.go
// slashSupplierStake: a slashed supplier whose stake is below the minimum is unstaked.
func (c *Client) spareStake(ctx context.Context, stake *sdk.Coin) (int64, error) {
	params, err := c.supplierParams.get(ctx, struct{}{})
	if err != nil {
		return 0, err
	}
	least := params.GetMinStake()
	if stake == nil || least == nil {
		return 0, nil
	}
	return stake.Amount.Sub(least.Amount).Int64(), nil
}

func (c *Client) querySupplierParams(ctx context.Context, _ struct{}) (*suppliertypes.Params, error) {
	res, err := c.supplier.Params(ctx, &suppliertypes.QueryParamsRequest{})
	if err != nil {
		return nil, fmt.Errorf("query supplier params: %w", err)
	}
	params := res.GetParams()
	return &params, nil
}
