package chain

import (
	"context"
	"errors"
	"time"

	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"github.com/prometheus/client_golang/prometheus"
)

// How long answers are kept. What a past height decided never changes: it is kept
// until nobody asks any more. Delegations and stakes may change within a session.
const (
	immutableTTL   = 24 * time.Hour
	paramsTTL      = time.Minute
	applicationTTL = 15 * time.Second
	// ringTTL is of what follows from applications and keys, without the chain.
	ringTTL = 5 * time.Second
	// liveTTL is of what the chain itself reads when it decides.
	liveTTL   = 5 * time.Second
	cacheSize = 20_000
	// outcomeBlocks is small: a block's transactions are read soon after it.
	outcomeBlocks = 64
)

// Options of a client.
type Options struct {
	// Grace is how long answers serve beyond their time while no full node answers.
	Grace   time.Duration
	Metrics *Metrics // nil: nobody reads them
	// Shared has answers that other processes have asked for; nil for none.
	Shared Shared
}

// Client answers questions about the chain. It is safe for concurrent use.
type Client struct {
	chainID string
	nodes   *nodes

	sharedParams  *cached[int64, *sharedtypes.Params]
	proofParams   *cached[struct{}, *prooftypes.Params]
	sessions      *cached[sessionQuery, *knownSession]
	rings         *cached[ringQuery, [][]byte]
	pubKeys       *cached[string, []byte]
	difficulties  *cached[serviceAtHeight, *servicetypes.RelayMiningDifficulty]
	computeUnits  *cached[serviceAtHeight, uint64]
	blockHashes   *cached[int64, Block]
	accountNumber *cached[string, uint64]
	minGasPrice   *cached[struct{}, float64]

	supplierParams *cached[struct{}, *suppliertypes.Params]
	outcomes       *cached[int64, blockOutcome]

	applications     *cached[string, *apptypes.Application]
	sharedApps       *sharing[string, *apptypes.Application]
	tokenomicsParams *cached[struct{}, *tokenomicstypes.Params]

	auth        authtypes.QueryClient
	application apptypes.QueryClient
	proof       prooftypes.QueryClient
	service     servicetypes.QueryClient
	session     sessiontypes.QueryClient
	shared      sharedtypes.QueryClient
	supplier    suppliertypes.QueryClient
	bank        banktypes.QueryClient
	tokenomics  tokenomicstypes.QueryClient
	tx          txtypes.ServiceClient
}

// Dial makes a client of the chain called chainID. It does not wait for the
// nodes: Check does.
func Dial(chainID string, list []Node, opts Options) (*Client, error) {
	if opts.Metrics == nil {
		var err error
		if opts.Metrics, err = NewMetrics(prometheus.NewRegistry()); err != nil {
			return nil, err
		}
	}
	n, err := dialNodes(chainID, list, opts.Metrics)
	if err != nil {
		return nil, err
	}
	c := &Client{
		chainID:     chainID,
		nodes:       n,
		auth:        authtypes.NewQueryClient(n),
		application: apptypes.NewQueryClient(n),
		proof:       prooftypes.NewQueryClient(n),
		service:     servicetypes.NewQueryClient(n),
		session:     sessiontypes.NewQueryClient(n),
		shared:      sharedtypes.NewQueryClient(n),
		supplier:    suppliertypes.NewQueryClient(n),
		bank:        banktypes.NewQueryClient(n),
		tokenomics:  tokenomicstypes.NewQueryClient(n),
		tx:          txtypes.NewServiceClient(n),
	}
	k := keeping{size: cacheSize, grace: opts.Grace, stale: opts.Metrics.stale}
	one, recent, derived := k, k, k
	one.size, recent.size, derived.grace = 1, outcomeBlocks, 0
	c.sharedParams = newCachedFor(k, c.sharedParamsTTL, c.querySharedParams)
	c.proofParams = newCached(one, liveTTL, c.queryProofParams)
	c.sessions = newCached(k, immutableTTL, sharedSessions(opts.Shared, opts.Metrics).through(c.querySession))
	applicationTTL := applicationTTL
	if opts.Shared != nil {
		applicationTTL /= 2 // here, and as long in what is shared
	}
	c.sharedApps = sharedApplications(opts.Shared, opts.Metrics, applicationTTL)
	c.applications = newCached(k, applicationTTL, c.sharedApps.through(c.queryApplication))
	c.tokenomicsParams = newCached(one, paramsTTL, c.queryTokenomicsParams)
	c.rings = newCached(derived, ringTTL, c.ringOf)
	c.pubKeys = newCached(k, immutableTTL, sharedPubKeys(opts.Shared, opts.Metrics).through(c.queryPubKey))
	c.difficulties = newCached(k, immutableTTL, c.queryDifficulty)
	c.computeUnits = newCached(k, immutableTTL, c.queryComputeUnits)
	c.blockHashes = newCached(k, immutableTTL, c.queryBlock)
	c.outcomes = newCached(recent, immutableTTL, c.queryOutcome)
	c.supplierParams = newCached(one, paramsTTL, c.querySupplierParams)
	c.minGasPrice = newCached(one, paramsTTL, c.queryMinGasPrice)
	c.accountNumber = newCached(k, immutableTTL, c.queryAccountNumber)
	return c, nil
}

// ChainID is the chain this client was made for.
func (c *Client) ChainID() string { return c.chainID }

// Close releases the connections.
func (c *Client) Close() error { return c.nodes.close() }

// ErrWrongChain is returned when a full node follows another chain.
var ErrWrongChain = errors.New("wrong chain")

// Check asks every full node which chain it follows and whether it answers
// queries. The answers are in the order of the configuration.
func (c *Client) Check(ctx context.Context) []NodeCheck { return c.nodes.check(ctx) }
