package pocketchain

import (
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	gatewaytypes "github.com/pokt-network/poktroll/x/gateway/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

func (g *genesis) services() error {
	return edit(g, servicetypes.ModuleName, func(s *servicetypes.GenesisState) error {
		s.Params.TargetNumRelays = g.opts.Params.TargetNumRelays
		for _, service := range g.opts.Services {
			s.ServiceList = append(s.ServiceList, sharedtypes.Service{
				Id:                   service.ID,
				Name:                 service.ID,
				ComputeUnitsPerRelay: service.ComputeUnitsPerRelay,
				OwnerAddress:         g.actors.ServiceOwner.Address,
			})
			if service.Difficulty > 1 {
				s.RelayMiningDifficultyList = append(s.RelayMiningDifficultyList, service.difficulty(g.opts.Params))
			}
		}
		return nil
	})
}

func (g *genesis) gateways() error {
	return edit(g, gatewaytypes.ModuleName, func(s *gatewaytypes.GenesisState) error {
		for _, gateway := range g.actors.Gateways {
			s.GatewayList = append(s.GatewayList, gatewaytypes.Gateway{
				Address: gateway.Address, Stake: upoktPtr(gatewayStake),
			})
		}
		return nil
	})
}

func (g *genesis) applications() error {
	return edit(g, apptypes.ModuleName, func(s *apptypes.GenesisState) error {
		for _, app := range g.actors.Applications {
			service := &sharedtypes.ApplicationServiceConfig{ServiceId: app.Service}
			s.ApplicationList = append(s.ApplicationList, apptypes.Application{
				Address:                   app.Address,
				Stake:                     upoktPtr(g.opts.ApplicationStake),
				ServiceConfigs:            []*sharedtypes.ApplicationServiceConfig{service},
				DelegateeGatewayAddresses: []string{app.Gateway},
				ServiceConfigHistory: []*apptypes.ApplicationServiceConfigUpdate{{
					ApplicationAddress: app.Address, Service: service, ActivationHeight: 1,
				}},
			})
		}
		return nil
	})
}

// suppliers stakes each supplier for every service, active from the first block.
func (g *genesis) suppliers() error {
	return edit(g, suppliertypes.ModuleName, func(s *suppliertypes.GenesisState) error {
		for _, a := range g.actors.Suppliers {
			supplier := sharedtypes.Supplier{
				OwnerAddress: a.Address, OperatorAddress: a.Address, Stake: upoktPtr(supplierStake),
			}
			for _, service := range g.opts.Services {
				config := g.supplierConfig(a.Address, service)
				supplier.Services = append(supplier.Services, config)
				supplier.ServiceConfigHistory = append(supplier.ServiceConfigHistory, &sharedtypes.ServiceConfigUpdate{
					OperatorAddress: a.Address, Service: config, ActivationHeight: 1,
				})
			}
			s.SupplierList = append(s.SupplierList, supplier)
		}
		return nil
	})
}

func (g *genesis) supplierConfig(address string, service Service) *sharedtypes.SupplierServiceConfig {
	config := &sharedtypes.SupplierServiceConfig{
		ServiceId: service.ID,
		RevShare:  []*sharedtypes.ServiceRevenueShare{{Address: address, RevSharePercentage: 100}},
	}
	for _, rpcType := range service.RPCTypes {
		config.Endpoints = append(config.Endpoints, &sharedtypes.SupplierEndpoint{
			Url: g.opts.SupplierURL, RpcType: rpcType,
		})
	}
	return config
}

func (g *genesis) pocketParams() error {
	p := g.opts.Params
	if err := edit(g, sharedtypes.ModuleName, func(s *sharedtypes.GenesisState) error {
		s.Params.NumBlocksPerSession = p.BlocksPerSession
		s.Params.GracePeriodEndOffsetBlocks = p.GracePeriod
		s.Params.ClaimWindowOpenOffsetBlocks = p.ClaimWindowOpen
		s.Params.ClaimWindowCloseOffsetBlocks = p.ClaimWindowClose
		s.Params.ProofWindowOpenOffsetBlocks = p.ProofWindowOpen
		s.Params.ProofWindowCloseOffsetBlocks = p.ProofWindowClose
		s.Params.ComputeUnitsToTokensMultiplier = p.ComputeUnitsToTokensMultiplier
		unbonding := p.unbondingSessions()
		s.Params.SupplierUnbondingPeriodSessions = unbonding
		s.Params.ApplicationUnbondingPeriodSessions = unbonding
		s.Params.GatewayUnbondingPeriodSessions = unbonding
		return s.Params.ValidateBasic()
	}); err != nil {
		return err
	}
	if err := edit(g, sessiontypes.ModuleName, func(s *sessiontypes.GenesisState) error {
		s.Params.NumSuppliersPerSession = p.SuppliersInSession
		return nil
	}); err != nil {
		return err
	}
	if err := edit(g, tokenomicstypes.ModuleName, func(s *tokenomicstypes.GenesisState) error {
		s.Params.DaoRewardAddress = governanceAddress()
		return nil
	}); err != nil {
		return err
	}
	return edit(g, prooftypes.ModuleName, func(s *prooftypes.GenesisState) error {
		s.Params.ProofRequestProbability = p.ProofRequestProbability
		s.Params.ProofRequirementThreshold = upoktPtr(p.ProofRequirementThreshold)
		s.Params.ProofMissingPenalty = upoktPtr(p.ProofMissingPenalty)
		s.Params.ProofSubmissionFee = upoktPtr(p.ProofSubmissionFee)
		return s.Params.ValidateBasic()
	})
}

// unbondingSessions outlasts a claim's whole life, as the shared module demands.
func (p Params) unbondingSessions() uint64 {
	life := p.ClaimWindowOpen + p.ClaimWindowClose + p.ProofWindowOpen + p.ProofWindowClose
	return life/max(p.BlocksPerSession, 1) + 2
}
