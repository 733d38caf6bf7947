package pocketchain

import (
	"time"

	"cosmossdk.io/math"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	gatewaytypes "github.com/pokt-network/poktroll/x/gateway/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
)

// accounts puts every account on chain with its public key: rings and response
// signatures are checked against the key that the auth module knows.
func (g *genesis) accounts() error {
	return edit(g, authtypes.ModuleName, func(s *authtypes.GenesisState) error {
		var accounts []authtypes.GenesisAccount
		for i, a := range g.actors.all() {
			address := sdk.AccAddress(a.Key.PubKey().Address())
			accounts = append(accounts, authtypes.NewBaseAccount(address, a.Key.PubKey(), uint64(i), 0))
		}
		packed, err := authtypes.PackAccounts(accounts)
		s.Accounts = packed
		return err
	})
}

// authorizations lets the authority account send, as the governance module, the
// messages that change parameters. Governance itself has no key to sign with.
func (g *genesis) authorizations() error {
	return edit(g, authz.ModuleName, func(s *authz.GenesisState) error {
		for _, url := range governedMsgs() {
			grant, err := codectypes.NewAnyWithValue(authz.NewGenericAuthorization(url))
			if err != nil {
				return err
			}
			s.Authorization = append(s.Authorization, authz.GrantAuthorization{
				Granter:       governanceAddress(),
				Grantee:       g.actors.Authority.Address,
				Authorization: grant,
			})
		}
		return nil
	})
}

// balances funds the accounts, and each module account with exactly the stakes
// that the module's state says it holds.
func (g *genesis) balances() error {
	return edit(g, banktypes.ModuleName, func(s *banktypes.GenesisState) error {
		credit := func(address string, amount int64) {
			s.Balances = append(s.Balances, banktypes.Balance{Address: address, Coins: sdk.NewCoins(upokt(amount))})
		}
		for _, a := range g.actors.all() {
			credit(a.Address, accountBalance)
		}
		module := func(name string, each int64, count int) {
			credit(authtypes.NewModuleAddress(name).String(), each*int64(count))
		}
		module(stakingtypes.BondedPoolName, validatorStake, 1)
		module(apptypes.ModuleName, g.opts.ApplicationStake, len(g.actors.Applications))
		module(gatewaytypes.ModuleName, gatewayStake, len(g.actors.Gateways))
		module(suppliertypes.ModuleName, supplierStake, len(g.actors.Suppliers))
		return nil
	})
}

func (g *genesis) operator() sdk.ValAddress {
	return sdk.ValAddress(g.actors.Validator.Key.PubKey().Address())
}

func (g *genesis) staking() error {
	return edit(g, stakingtypes.ModuleName, func(s *stakingtypes.GenesisState) error {
		s.Params.BondDenom = Denom
		pubKey, err := cryptocodec.FromCmtPubKeyInterface(g.pubKey.PubKey)
		if err != nil {
			return err
		}
		validator, err := stakingtypes.NewValidator(g.operator().String(), pubKey, stakingtypes.Description{Moniker: "devnet"})
		if err != nil {
			return err
		}
		validator.Status = stakingtypes.Bonded
		validator.Tokens = math.NewInt(validatorStake)
		validator.DelegatorShares = math.LegacyNewDec(validatorStake)
		validator.MinSelfDelegation = math.OneInt()
		s.Validators = []stakingtypes.Validator{validator}
		s.Delegations = []stakingtypes.Delegation{stakingtypes.NewDelegation(
			g.actors.Validator.Address, g.operator().String(), math.LegacyNewDec(validatorStake),
		)}
		return nil
	})
}

// slashing needs a signing record: the hook that writes it does not run for a
// validator that is bonded at genesis.
func (g *genesis) slashing() error {
	return edit(g, slashingtypes.ModuleName, func(s *slashingtypes.GenesisState) error {
		consAddr := sdk.ConsAddress(g.pubKey.Address)
		s.SigningInfos = []slashingtypes.SigningInfo{{
			Address: consAddr.String(),
			ValidatorSigningInfo: slashingtypes.NewValidatorSigningInfo(
				consAddr, 0, 0, time.Unix(0, 0).UTC(), false, 0,
			),
		}}
		return nil
	})
}

// mint inflates nothing: what a supplier's balance gains came from a claim.
func (g *genesis) mint() error {
	return edit(g, minttypes.ModuleName, func(s *minttypes.GenesisState) error {
		s.Params.MintDenom = Denom
		s.Params.InflationMax = math.LegacyZeroDec()
		s.Params.InflationMin = math.LegacyZeroDec()
		s.Params.InflationRateChange = math.LegacyZeroDec()
		s.Minter.Inflation = math.LegacyZeroDec()
		return nil
	})
}

func (g *genesis) governance() error {
	return edit(g, govtypes.ModuleName, func(s *govv1.GenesisState) error {
		s.Params.MinDeposit = sdk.NewCoins(upokt(10_000))
		s.Params.ExpeditedMinDeposit = sdk.NewCoins(upokt(50_000))
		return nil
	})
}
