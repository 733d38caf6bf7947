package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// How long answers are kept. What a past height decided never changes; the
// bound only keeps memory from growing. Delegations may change within a
// session, so rings are looked up again soon.
const (
	immutableTTL = time.Hour
	paramsTTL    = time.Minute
	ringTTL      = 15 * time.Second
	cacheSize    = 20_000
	// outcomeBlocks is small: a block's transactions are read soon after it.
	outcomeBlocks = 64
)

// Client answers questions about the chain. It is safe for concurrent use.
type Client struct {
	chainID string
	nodes   *nodes

	sharedParams  *cached[int64, *sharedtypes.Params]
	proofParams   *cached[struct{}, *prooftypes.Params]
	sessions      *cached[sessionQuery, *sessiontypes.Session]
	rings         *cached[ringQuery, [][]byte]
	pubKeys       *cached[string, []byte]
	difficulties  *cached[serviceAtHeight, *servicetypes.RelayMiningDifficulty]
	computeUnits  *cached[serviceAtHeight, uint64]
	blockHashes   *cached[int64, Block]
	accountNumber *cached[string, uint64]
	outcomes      *cached[int64, blockOutcome]

	applications     *cached[string, *apptypes.Application]
	tokenomicsParams *cached[struct{}, *tokenomicstypes.Params]

	auth        authtypes.QueryClient
	application apptypes.QueryClient
	proof       prooftypes.QueryClient
	service     servicetypes.QueryClient
	session     sessiontypes.QueryClient
	shared      sharedtypes.QueryClient
	tokenomics  tokenomicstypes.QueryClient
	tx          txtypes.ServiceClient
}

// Dial makes a client of the chain called chainID. It does not wait for the
// nodes: CheckID does.
func Dial(chainID string, list []Node) (*Client, error) {
	n, err := dialNodes(list)
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
		tokenomics:  tokenomicstypes.NewQueryClient(n),
		tx:          txtypes.NewServiceClient(n),
	}
	c.sharedParams = newCached(cacheSize, paramsTTL, c.querySharedParams)
	c.proofParams = newCached(1, paramsTTL, c.queryProofParams)
	c.sessions = newCached(cacheSize, immutableTTL, c.querySession)
	c.applications = newCached(cacheSize, paramsTTL, c.queryApplication)
	c.tokenomicsParams = newCached(1, paramsTTL, c.queryTokenomicsParams)
	c.rings = newCached(cacheSize, ringTTL, c.queryRing)
	c.pubKeys = newCached(cacheSize, immutableTTL, c.queryPubKey)
	c.difficulties = newCached(cacheSize, immutableTTL, c.queryDifficulty)
	c.computeUnits = newCached(cacheSize, immutableTTL, c.queryComputeUnits)
	c.blockHashes = newCached(cacheSize, immutableTTL, c.queryBlock)
	c.outcomes = newCached(outcomeBlocks, immutableTTL, c.queryOutcome)
	c.accountNumber = newCached(cacheSize, immutableTTL, c.queryAccountNumber)
	return c, nil
}

// ChainID is the chain this client was made for.
func (c *Client) ChainID() string { return c.chainID }

// Close releases the connections.
func (c *Client) Close() error { return c.nodes.close() }

// ErrWrongChain is returned when a full node follows another chain.
var ErrWrongChain = errors.New("wrong chain")

// CheckID asks a node which chain it follows.
func (c *Client) CheckID(ctx context.Context) error {
	latest, err := c.status(ctx)
	if err != nil {
		return err
	}
	if latest.chainID != c.chainID {
		return fmt.Errorf("%w: the full node follows %q, chain.id says %q", ErrWrongChain, latest.chainID, c.chainID)
	}
	return nil
}

type nodeStatus struct {
	chainID string
	block   Block
}

// status is the newest block of the preferred node.
func (c *Client) status(ctx context.Context) (s nodeStatus, err error) {
	err = c.nodes.comet(ctx, func(rpc *rpchttp.HTTP) error {
		res, err := rpc.Status(ctx)
		if err != nil {
			return fmt.Errorf("query node status: %w", err)
		}
		s.chainID = res.NodeInfo.Network
		s.block = Block{
			Height: res.SyncInfo.LatestBlockHeight,
			Hash:   res.SyncInfo.LatestBlockHash,
			Time:   res.SyncInfo.LatestBlockTime,
		}
		return nil
	})
	return s, err
}
