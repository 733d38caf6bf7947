package pocketchain

import (
	"encoding/json"
	"fmt"
	"time"

	"cosmossdk.io/math"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
)

// Stakes and balances are far above what the shortest test can move: a claim
// must never be clipped by an application's stake, nor a supplier unbonded by
// one slash (upokt).
const (
	applicationStake = 100_000_000_000_000
	supplierStake    = 100_000_000_000
	gatewayStake     = 10_000_000_000
	validatorStake   = 1_000_000_000
	accountBalance   = 1_000_000_000_000
)

// genesis collects the module states of a new chain.
type genesis struct {
	opts   Options
	actors Actors
	cdc    codec.JSONCodec
	state  map[string]json.RawMessage
	pubKey cmttypes.Validator
}

// doc is the genesis document, with the validator that priv signs for.
func genesisDoc(
	opts Options, actors Actors, cdc codec.JSONCodec, defaults map[string]json.RawMessage, priv cmttypes.PrivValidator,
) (*cmttypes.GenesisDoc, error) {
	pubKey, err := priv.GetPubKey()
	if err != nil {
		return nil, fmt.Errorf("validator public key: %w", err)
	}
	power := sdk.TokensToConsensusPower(math.NewInt(validatorStake), sdk.DefaultPowerReduction)
	validator := cmttypes.NewValidator(pubKey, power)
	g := &genesis{opts: opts, actors: actors, cdc: cdc, state: defaults, pubKey: *validator}
	for _, fill := range []func() error{
		g.accounts, g.authorizations, g.balances, g.staking, g.slashing, g.mint, g.governance,
		g.services, g.gateways, g.applications, g.suppliers, g.pocketParams,
	} {
		if err := fill(); err != nil {
			return nil, fmt.Errorf("build genesis: %w", err)
		}
	}
	appState, err := json.Marshal(g.state)
	if err != nil {
		return nil, fmt.Errorf("encode genesis: %w", err)
	}
	return &cmttypes.GenesisDoc{
		ChainID:         opts.ChainID,
		GenesisTime:     time.Now().UTC(),
		InitialHeight:   1,
		ConsensusParams: cmttypes.DefaultConsensusParams(),
		Validators: []cmttypes.GenesisValidator{{
			Address: validator.Address, PubKey: pubKey, Power: power, Name: "devnet",
		}},
		AppState: appState,
	}, nil
}

// edit rewrites the state of one module, starting from its defaults.
func edit[M any, P interface {
	*M
	proto.Message
}](g *genesis, module string, change func(P) error) error {
	state := P(new(M))
	if err := g.cdc.UnmarshalJSON(g.state[module], state); err != nil {
		return fmt.Errorf("read defaults of %s: %w", module, err)
	}
	if err := change(state); err != nil {
		return fmt.Errorf("module %s: %w", module, err)
	}
	raw, err := g.cdc.MarshalJSON(state)
	if err != nil {
		return fmt.Errorf("encode module %s: %w", module, err)
	}
	g.state[module] = raw
	return nil
}

func upokt(amount int64) sdk.Coin { return sdk.NewInt64Coin(Denom, amount) }

func upoktPtr(amount int64) *sdk.Coin {
	coin := upokt(amount)
	return &coin
}
