package chain

import (
	"encoding/binary"
	"testing"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"github.com/pokt-network/smt"
)

// testTerms: a stake of 90 POKT, two sessions that wait and the current one, three
// suppliers: 10 POKT. A relay costs 4,200 uPOKT.
func testTerms() budgetTerms {
	stake := sdk.NewInt64Coin("upokt", 90_000_000)
	params := &sharedtypes.Params{
		NumBlocksPerSession: 10, ClaimWindowOpenOffsetBlocks: 2, ClaimWindowCloseOffsetBlocks: 4, ProofWindowCloseOffsetBlocks: 5,
		ComputeUnitsToTokensMultiplier: 42_000_000, ComputeUnitCostGranularity: 1_000_000,
	}
	return budgetTerms{
		application: &apptypes.Application{Stake: &stake}, suppliers: 3, atEnd: params, atStart: params, computeUnits: 100,
	}
}

func TestBudget(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(in *budgetTerms)
		want Budget
	}{
		"split among sessions and suppliers": {nil, Budget{10_000_000, 2380}}, // 2,380.95
		"the windows fit into one session": {func(in *budgetTerms) {
			in.atEnd = &sharedtypes.Params{NumBlocksPerSession: 60, ClaimWindowOpenOffsetBlocks: 1, ClaimWindowCloseOffsetBlocks: 4, ProofWindowCloseOffsetBlocks: 4}
		}, Budget{15_000_000, 3571}},
		"inflation is burnt from the same part": {func(in *budgetTerms) { in.inflation = 0.1 }, Budget{9_090_909, 2164}},
		"limit per session":                     {func(in *budgetTerms) { in.limit(6_000_000) }, Budget{2_000_000, 476}},
		"limit above the stake":                 {func(in *budgetTerms) { in.limit(900_000_000) }, Budget{10_000_000, 2380}},
		"a supplier alone":                      {func(in *budgetTerms) { in.suppliers = 1 }, Budget{30_000_000, 7142}},
		"no supplier":                           {func(in *budgetTerms) { in.suppliers = 0 }, Budget{}},
		"no stake":                              {func(in *budgetTerms) { in.application.Stake = nil }, Budget{}},
		"less than one relay": {func(in *budgetTerms) {
			stake := sdk.NewInt64Coin("upokt", 9*4199)
			in.application.Stake = &stake
		}, Budget{4199, 0}},
		// The stock meter rounds the price of a relay to 0 and never refuses.
		"a relay for a fraction of a uPOKT": {func(in *budgetTerms) {
			in.atStart = &sharedtypes.Params{ComputeUnitsToTokensMultiplier: 4_000, ComputeUnitCostGranularity: 1_000_000}
		}, Budget{10_000_000, 25_000_000}},
		"relays that cost nothing": {func(in *budgetTerms) { in.atStart = &sharedtypes.Params{ComputeUnitCostGranularity: 1} }, Budget{10_000_000, maxBudget}},
		"more than can be counted": {func(in *budgetTerms) {
			stake := sdk.NewCoin("upokt", math.NewIntFromUint64(1<<63).MulRaw(1<<10))
			in.application.Stake = &stake
		}, Budget{maxBudget, maxBudget / 4200}},
	} {
		t.Run(name, func(t *testing.T) {
			in := testTerms()
			if tc.edit != nil {
				tc.edit(&in)
			}
			got, err := in.budget()
			if err != nil || got != tc.want {
				t.Errorf("got %+v (%v), want %+v", got, err, tc.want)
			}
		})
	}
}

func (in *budgetTerms) limit(upokt int64) {
	limit := sdk.NewInt64Coin("upokt", upokt)
	in.application.PerSessionSpendLimit = &limit
}

// A claim of exactly the budget is worth no more than the chain pays, and one relay
// more would be, whatever the difficulty.
func TestBudgetIsWhatAClaimIsWorth(t *testing.T) {
	for _, difficulty := range []int64{1, 2, 8} {
		in := testTerms()
		budget, err := in.budget()
		if err != nil {
			t.Fatal(err)
		}
		if worth := claimOf(t, in, budget.Relays, difficulty); worth > budget.Upokt {
			t.Errorf("%d relays at difficulty %d are worth %d uPOKT, the chain pays %d", budget.Relays, difficulty, worth, budget.Upokt)
		}
		if worth := claimOf(t, in, budget.Relays+difficulty, difficulty); worth <= budget.Upokt {
			t.Errorf("%d relays at difficulty %d are worth %d uPOKT, the chain pays %d", budget.Relays+difficulty, difficulty, worth, budget.Upokt)
		}
	}
}

// claimOf is what poktroll says a claim is worth for which so many relays were
// served, of which every difficulty-th was mined.
func claimOf(t *testing.T, in budgetTerms, served, difficulty int64) int64 {
	t.Helper()
	target := make([]byte, 32)
	for i := range target {
		target[i] = 0xff
	}
	target[0] = byte(256/difficulty - 1)
	mined := uint64(served / difficulty)
	root := make(smt.MerkleSumRoot, 48)
	binary.BigEndian.PutUint64(root[32:], mined*in.computeUnits)
	binary.BigEndian.PutUint64(root[40:], mined)
	claim := prooftypes.Claim{SessionHeader: &sessiontypes.SessionHeader{ServiceId: "svc"}, RootHash: root}
	coin, err := claim.GetClaimeduPOKT(*in.atStart, servicetypes.RelayMiningDifficulty{ServiceId: "svc", TargetHash: target})
	if err != nil {
		t.Fatal(err)
	}
	return coin.Amount.Int64()
}
