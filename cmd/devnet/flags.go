package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// devnetFlags are the flags that shape a network, shared by up and run.
type devnetFlags struct {
	stateDir  string
	binary    string
	miners    int
	relayers  int
	fsync     string
	flush     time.Duration
	onlyChain bool

	chainID      string
	blockTime    time.Duration
	rpcAddr      string
	grpcAddr     string
	minGasPrices string
	txIndex      bool
	suppliers    int
	gateways     int
	applications int
	difficulty   []string
	params       pocketchain.Params
}

func (f *devnetFlags) register(cmd *cobra.Command) {
	f.params = pocketchain.DefaultParams()
	s, p := cmd.Flags(), &f.params
	s.StringVar(&f.stateDir, "state-dir", "", "directory for configs, logs, data and devnet.json (default: a temporary one)")
	s.StringVar(&f.binary, "raftminer-bin", "", "raftminer binary (default: next to devnet, else built with go build)")
	s.IntVar(&f.miners, "miners", 3, "miner processes")
	s.IntVar(&f.relayers, "relayers", 2, "relayer processes")
	s.StringVar(&f.fsync, "redis-fsync", "everysec", "redis-server appendfsync: everysec, always, or no for no log at all")
	s.DurationVar(&f.flush, "flush-interval", 200*time.Millisecond, "miners' ingest flush interval")
	s.StringVar(&f.chainID, "chain-id", "raftminer-devnet", "chain id; account keys follow from it")
	s.DurationVar(&f.blockTime, "block-time", 300*time.Millisecond, "pause between blocks")
	s.StringVar(&f.rpcAddr, "rpc-addr", "127.0.0.1:0", "address of CometBFT's RPC; port 0 picks a free one")
	s.StringVar(&f.grpcAddr, "grpc-addr", "127.0.0.1:0", "address of the chain's gRPC; port 0 picks a free one")
	s.StringVar(&f.minGasPrices, "min-gas-prices", "0.000000001upokt", "gas price that the chain asks for")
	s.BoolVar(&f.txIndex, "tx-index", false, "index transactions; production nodes often do not")
	s.IntVar(&f.suppliers, "suppliers", 3, "staked suppliers")
	s.IntVar(&f.gateways, "gateways", 1, "staked gateways")
	s.IntVar(&f.applications, "applications", 1, "staked applications per service")
	s.StringSliceVar(&f.difficulty, "difficulty", nil, "mining difficulty of a service, as eth=4: one relay in 4 is mined")
	s.Uint64Var(&p.BlocksPerSession, "session-blocks", p.BlocksPerSession, "num_blocks_per_session")
	s.Uint64Var(&p.GracePeriod, "grace-blocks", p.GracePeriod, "grace_period_end_offset_blocks")
	s.Uint64Var(&p.ClaimWindowOpen, "claim-open-blocks", p.ClaimWindowOpen, "claim_window_open_offset_blocks")
	s.Uint64Var(&p.ClaimWindowClose, "claim-close-blocks", p.ClaimWindowClose, "claim_window_close_offset_blocks")
	s.Uint64Var(&p.ProofWindowOpen, "proof-open-blocks", p.ProofWindowOpen, "proof_window_open_offset_blocks")
	s.Uint64Var(&p.ProofWindowClose, "proof-close-blocks", p.ProofWindowClose, "proof_window_close_offset_blocks")
	s.Float64Var(&p.ProofRequestProbability, "proof-probability", p.ProofRequestProbability, "proof_request_probability")
	s.Int64Var(&p.ProofRequirementThreshold, "proof-threshold", p.ProofRequirementThreshold, "proof_requirement_threshold, upokt")
	s.Int64Var(&p.ProofMissingPenalty, "proof-penalty", p.ProofMissingPenalty, "proof_missing_penalty, upokt")
	s.Int64Var(&p.ProofSubmissionFee, "proof-fee", p.ProofSubmissionFee, "proof_submission_fee, upokt")
	s.Uint64Var(&p.ComputeUnitsToTokensMultiplier, "tokens-multiplier", p.ComputeUnitsToTokensMultiplier, "compute_units_to_tokens_multiplier")
	s.Uint64Var(&p.TargetNumRelays, "target-relays", p.TargetNumRelays, "target_num_relays of the service module")
}

func (f *devnetFlags) options() (devnet.Options, error) {
	services := pocketchain.DefaultServices()
	if err := setDifficulties(services, f.difficulty); err != nil {
		return devnet.Options{}, err
	}
	return devnet.Options{
		StateDir:      f.stateDir,
		Binary:        f.binary,
		Miners:        f.miners,
		Relayers:      f.relayers,
		AppendFsync:   f.fsync,
		FlushInterval: f.flush,
		OnlyChain:     f.onlyChain,
		Chain: pocketchain.Options{
			ChainID:                f.chainID,
			BlockTime:              f.blockTime,
			RPCAddr:                f.rpcAddr,
			GRPCAddr:               f.grpcAddr,
			MinGasPrices:           f.minGasPrices,
			TxIndex:                f.txIndex,
			Suppliers:              f.suppliers,
			Gateways:               f.gateways,
			ApplicationsPerService: f.applications,
			Services:               services,
			Params:                 &f.params,
		},
	}, nil
}

func setDifficulties(services []pocketchain.Service, settings []string) error {
	for _, setting := range settings {
		id, value, _ := strings.Cut(setting, "=")
		difficulty, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("--difficulty %s: want SERVICE=N", setting)
		}
		found := false
		for i := range services {
			if services[i].ID == id {
				services[i].Difficulty, found = difficulty, true
			}
		}
		if !found {
			return fmt.Errorf("--difficulty %s: no such service", setting)
		}
	}
	return nil
}
