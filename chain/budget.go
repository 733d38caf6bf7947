package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/pokt-network/poktroll/app/pocket"
	"github.com/pokt-network/poktroll/pkg/encoding"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// Budget is what the chain pays one supplier for one session of an application,
// however much is claimed.
type Budget struct {
	Upokt  int64 // what a claim of that session may be worth
	Relays int64 // how many served relays that is
}

// maxBudget keeps budgets exact where Redis scripts calculate with doubles.
const maxBudget = 1 << 52

// RelayBudget returns the budget of ref. All that goes into it is cached.
func (c *Client) RelayBudget(ctx context.Context, ref SessionRef) (Budget, error) {
	in, err := c.budgetTerms(ctx, ref)
	if err != nil {
		return Budget{}, err
	}
	budget, err := in.budget()
	if err != nil {
		return Budget{}, fmt.Errorf("budget of session %s: %w", ref.SessionID, err)
	}
	return budget, nil
}

// budgetTerms are what a budget follows from.
type budgetTerms struct {
	application  *apptypes.Application
	suppliers    int                 // in the session: each may claim a part
	atEnd        *sharedtypes.Params // how many sessions wait to be settled
	atStart      *sharedtypes.Params // what a compute unit costs
	computeUnits uint64              // of a relay
	inflation    float64             // burnt on top of a claim, as a share of it
}

func (c *Client) budgetTerms(ctx context.Context, ref SessionRef) (in budgetTerms, err error) {
	session, err := c.Session(ctx, ref.Application, ref.Service, ref.StartHeight)
	if err != nil {
		return in, err
	}
	in.suppliers = len(session.GetSuppliers())
	if in.application, err = c.applications.get(ctx, ref.Application); err != nil {
		return in, err
	}
	if in.atEnd, err = c.SharedParams(ctx, ref.EndHeight); err != nil {
		return in, err
	}
	if in.atStart, err = c.SharedParams(ctx, ref.StartHeight); err != nil {
		return in, err
	}
	if in.computeUnits, err = c.ComputeUnitsPerRelay(ctx, ref.Service, ref.StartHeight); err != nil {
		return in, err
	}
	tokenomics, err := c.tokenomicsParams.get(ctx, struct{}{})
	in.inflation = tokenomics.GetGlobalInflationPerClaim()
	return in, err
}

// budget follows poktroll where its relayer and its chain agree, and takes the
// smaller where they do not (docs/adr/0011-meter-by-leases.md):
//
//   - The stake is split among the sessions that are not settled and the current
//     one: pkg/relayer/proxy/relay_meter.go getAppStakePortionPayableToSessionSupplier.
//     x/tokenomics/keeper/settlement_context.go getOrInitSessionBudget leaves the
//     current one out, but splits the stake that earlier sessions have left.
//   - An application's limit per session caps it (getOrInitSessionBudget only).
//   - The result is split among suppliers: those that claimed, on chain; those that
//     may claim, here; the parameter for the largest session, in the stock relayer.
//   - The inflation per claim is burnt from the same part: x/tokenomics/keeper/
//     token_logic_modules.go supplierAppStakeToMaxSettlementAmount (chain only).
func (in budgetTerms) budget() (Budget, error) {
	stake := in.application.GetStake()
	if stake == nil || stake.Amount.IsNil() || in.suppliers == 0 {
		return Budget{}, nil
	}
	settling := sharedtypes.GetNumPendingSessions(in.atEnd)
	portion := new(big.Int).Quo(stake.Amount.BigInt(), big.NewInt(settling+1))
	if limit := in.application.GetPerSessionSpendLimit(); limit != nil && limit.Amount.IsPositive() {
		if limit.Denom != pocket.DenomuPOKT {
			return Budget{}, fmt.Errorf("the spend limit of %s is in %s", in.application.GetAddress(), limit.Denom)
		}
		if portion.Cmp(limit.Amount.BigInt()) > 0 {
			portion.Set(limit.Amount.BigInt())
		}
	}
	portion.Quo(portion, big.NewInt(int64(in.suppliers)))
	inflation, err := encoding.Float64ToRat(in.inflation)
	if err != nil {
		return Budget{}, fmt.Errorf("inflation per claim: %w", err)
	}
	payable := new(big.Rat).Quo(new(big.Rat).SetInt(portion), inflation.Add(inflation, big.NewRat(1, 1)))
	return Budget{Upokt: floor(payable), Relays: in.relays(payable)}, nil
}

// relays is how many served relays a claim of so much uPOKT stands for. Every
// served relay counts, mined or not: the chain multiplies what was mined by the
// difficulty to estimate what was served (x/proof/types/claim.go GetClaimeduPOKT).
// It rounds once, at the end, so the price of a relay is not rounded here either.
func (in budgetTerms) relays(upokt *big.Rat) int64 {
	price := new(big.Int).SetUint64(in.atStart.GetComputeUnitsToTokensMultiplier())
	price.Mul(price, new(big.Int).SetUint64(in.computeUnits))
	granularity := new(big.Int).SetUint64(in.atStart.GetComputeUnitCostGranularity())
	if price.Sign() == 0 || granularity.Sign() == 0 {
		return maxBudget // relays that cost nothing exhaust nothing
	}
	whole := new(big.Rat).SetInt64(floor(upokt))
	return floor(whole.Quo(whole, new(big.Rat).SetFrac(price, granularity)))
}

func floor(r *big.Rat) int64 {
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() || n.Int64() > maxBudget {
		return maxBudget
	}
	return n.Int64()
}

func (c *Client) queryApplication(ctx context.Context, address string) (*apptypes.Application, error) {
	res, err := c.application.Application(ctx, &apptypes.QueryGetApplicationRequest{Address: address})
	if err != nil {
		return nil, fmt.Errorf("query application %s: %w", address, err)
	}
	app := res.GetApplication()
	return &app, nil
}

func (c *Client) queryTokenomicsParams(ctx context.Context, _ struct{}) (*tokenomicstypes.Params, error) {
	res, err := c.tokenomics.Params(ctx, &tokenomicstypes.QueryParamsRequest{})
	if err != nil {
		return nil, fmt.Errorf("query tokenomics params: %w", err)
	}
	params := res.GetParams()
	return &params, nil
}
