package pocketchain

import (
	"errors"
	"fmt"
	"io"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// Denom is the unit of every amount here: millionths of a POKT.
const Denom = "upokt"

// StreamService is the default service whose backend streams its answers.
const StreamService = "llm"

// Service is a service that genesis creates; every supplier serves all of them.
type Service struct {
	ID                   string
	ComputeUnitsPerRelay uint64
	// Difficulty makes one relay in Difficulty count as mined; 0 and 1 mine all.
	Difficulty uint64
	// RPCTypes are the endpoints that suppliers announce for the service.
	RPCTypes []sharedtypes.RPCType
}

// Params are the on-chain parameters that decide what is paid and when.
// Offsets and session lengths are in blocks, amounts in upokt.
type Params struct {
	BlocksPerSession   uint64
	GracePeriod        uint64
	ClaimWindowOpen    uint64
	ClaimWindowClose   uint64
	ProofWindowOpen    uint64
	ProofWindowClose   uint64
	SuppliersInSession uint64

	ProofRequestProbability   float64
	ProofRequirementThreshold int64
	ProofMissingPenalty       int64
	ProofSubmissionFee        int64

	// ComputeUnitsToTokensMultiplier is in millionths of a upokt per compute unit.
	ComputeUnitsToTokensMultiplier uint64
	// TargetNumRelays is the relays per session and service that difficulty steers to.
	TargetNumRelays uint64
}

// Options describe a chain. The zero value of a field means its default.
type Options struct {
	ChainID   string
	BlockTime time.Duration // pause between blocks
	Dir       string        // scratch files; a temporary directory when empty
	Params    *Params
	Services  []Service
	// ApplicationsPerService, Gateways and Suppliers count the actors.
	ApplicationsPerService int
	Gateways               int
	Suppliers              int
	// ApplicationStake is what every application has at stake, in upokt; far more
	// than a test can use up by default.
	ApplicationStake int64
	// SupplierURL is the endpoint that suppliers announce on chain.
	SupplierURL string
	// MinGasPrices is what the node's mempool asks for, as "0.001upokt".
	MinGasPrices string
	// Ordered turns unordered transactions off, as the configuration of a chain's app
	// may.
	Ordered bool
	// TxIndex turns the transaction index on. Production nodes run without, so
	// nothing may depend on it.
	TxIndex bool
	// RPCAddr and GRPCAddr are host:port; port 0 picks a free one.
	RPCAddr, GRPCAddr string
	Log               io.Writer // node and app log; discarded when nil
}

// DefaultParams have short sessions, ask a proof for every claim, and have windows
// of several failovers: one that waits for a heartbeat timeout takes two seconds
// and more on a busy machine.
func DefaultParams() Params {
	return Params{
		BlocksPerSession:               10,
		GracePeriod:                    1,
		ClaimWindowOpen:                2,
		ClaimWindowClose:               20,
		ProofWindowOpen:                0,
		ProofWindowClose:               20,
		SuppliersInSession:             15,
		ProofRequestProbability:        1,
		ProofRequirementThreshold:      20_000_000,
		ProofMissingPenalty:            320_000_000,
		ProofSubmissionFee:             1_000,
		ComputeUnitsToTokensMultiplier: 42_000_000,
		TargetNumRelays:                100_000,
	}
}

// DefaultServices has one service per family of RPC types.
func DefaultServices() []Service {
	return []Service{
		{ID: "eth", ComputeUnitsPerRelay: 100, RPCTypes: []sharedtypes.RPCType{
			sharedtypes.RPCType_JSON_RPC, sharedtypes.RPCType_WEBSOCKET,
		}},
		{ID: "cosmos", ComputeUnitsPerRelay: 50, RPCTypes: []sharedtypes.RPCType{
			sharedtypes.RPCType_REST, sharedtypes.RPCType_COMET_BFT, sharedtypes.RPCType_GRPC,
		}},
		{ID: StreamService, ComputeUnitsPerRelay: 200, RPCTypes: []sharedtypes.RPCType{
			sharedtypes.RPCType_REST,
		}},
	}
}

func (o Options) withDefaults() Options {
	setDefault(&o.ChainID, "raftminer-devnet")
	setDefault(&o.BlockTime, 300*time.Millisecond)
	setDefault(&o.ApplicationsPerService, 1)
	setDefault(&o.Gateways, 1)
	setDefault(&o.Suppliers, 3)
	setDefault(&o.ApplicationStake, applicationStake)
	setDefault(&o.SupplierURL, "http://127.0.0.1:8545")
	setDefault(&o.MinGasPrices, "0.000000001"+Denom)
	setDefault(&o.RPCAddr, "127.0.0.1:0")
	setDefault(&o.GRPCAddr, "127.0.0.1:0")
	if o.Params == nil {
		params := DefaultParams()
		o.Params = &params
	}
	if len(o.Services) == 0 {
		o.Services = DefaultServices()
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	var errs []error
	if o.ApplicationsPerService < 1 || o.Gateways < 1 || o.Suppliers < 1 {
		errs = append(errs, errors.New("a chain needs at least one application, gateway and supplier"))
	}
	for _, s := range o.Services {
		if s.ComputeUnitsPerRelay == 0 {
			errs = append(errs, fmt.Errorf("service %q needs compute units per relay", s.ID))
		}
		if len(s.RPCTypes) == 0 {
			errs = append(errs, fmt.Errorf("service %q needs an RPC type", s.ID))
		}
	}
	return errors.Join(errs...)
}
