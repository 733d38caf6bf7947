package pocketchain

import (
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/pokt-network/poktroll/app"
	"github.com/pokt-network/poktroll/pkg/crypto/protocol"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// difficulty is the service's initial mining difficulty. Its moving average
// agrees with its target, so the chain's own updates start from here.
func (s Service) difficulty(p *Params) servicetypes.RelayMiningDifficulty {
	average := p.TargetNumRelays * s.Difficulty
	return servicetypes.RelayMiningDifficulty{
		ServiceId:    s.ID,
		BlockHeight:  1,
		NumRelaysEma: average,
		TargetHash: protocol.ComputeNewDifficultyTargetHash(
			protocol.BaseRelayDifficultyHashBz, p.TargetNumRelays, average,
		),
	}
}

// seededApp adds to the genesis state what the modules' genesis messages cannot
// carry: the service module prices a session by the difficulty history, and
// that has no field in its genesis (poktroll x/service/module/genesis.go).
type seededApp struct {
	*app.App
	opts Options
}

// InitChain is ABCI's; what it writes is committed with the first block.
func (a seededApp) InitChain(req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	res, err := a.App.InitChain(req)
	if err != nil {
		return nil, err
	}
	ctx := a.GetContextForFinalizeBlock(nil)
	for _, service := range a.opts.Services {
		if service.Difficulty <= 1 {
			continue
		}
		if err := a.Keepers.ServiceKeeper.SetRelayMiningDifficultyAtHeight(ctx, 1, service.difficulty(a.opts.Params)); err != nil {
			return nil, fmt.Errorf("seed difficulty of %s: %w", service.ID, err)
		}
	}
	return res, nil
}
