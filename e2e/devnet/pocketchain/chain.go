package pocketchain

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cosmossdk.io/log"
	cometdb "github.com/cometbft/cometbft-db"
	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/rpc/client/local"
	cmttypes "github.com/cometbft/cometbft/types"
	cosmosdb "github.com/cosmos/cosmos-db"
	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	servercmtlog "github.com/cosmos/cosmos-sdk/server/log"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	"google.golang.org/grpc"

	"github.com/pokt-network/poktroll/app"
	"github.com/pokt-network/poktroll/pkg/polylog"
	"github.com/pokt-network/poktroll/pkg/polylog/polyzero"
)

// Chain is a running chain.
type Chain struct {
	opts   Options
	actors Actors
	app    *app.App
	node   *node.Node
	rpc    *local.Local
	conn   *grpc.ClientConn
	ledger *ledger

	rpcAddr, grpcAddr string
	ownDir            string   // removed by Close when we made it
	stops             []func() // run by Close, last first
}

// Start boots a chain and returns once it serves queries; blocks follow on their own.
func Start(ctx context.Context, opts Options) (*Chain, error) {
	useAddressPrefix()
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("chain options: %w", err)
	}
	c := &Chain{opts: opts, actors: newActors(opts), ledger: newLedger()}
	if err := c.boot(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("start chain %s: %w", opts.ChainID, err)
	}
	return c, nil
}

func (c *Chain) boot(ctx context.Context) error {
	if err := c.scratch(); err != nil {
		return err
	}
	logger, err := c.logger()
	if err != nil {
		return err
	}
	c.app, err = app.New(
		logger, cosmosdb.NewMemDB(), nil, true, simtestutil.AppOptionsMap{flags.FlagHome: c.opts.Dir},
		baseapp.SetChainID(c.opts.ChainID), baseapp.SetMinGasPrices(c.opts.MinGasPrices),
		baseapp.SetIAVLSyncPruning(true), // nobody ends what prunes beside
	)
	if err != nil {
		return fmt.Errorf("build app: %w", err)
	}
	if c.opts.Ordered { // the ante handler reads it for every transaction
		authkeeper.WithUnorderedTransactions(false)(&c.app.Keepers.AccountKeeper)
	}
	if err := c.startNode(logger); err != nil {
		return err
	}
	if err := c.serveRPC(logger); err != nil {
		return err
	}
	if err := c.serveGRPC(logger); err != nil {
		return err
	}
	return c.WaitHeight(ctx, 1)
}

func (c *Chain) scratch() error {
	if c.opts.Dir != "" {
		return os.MkdirAll(c.opts.Dir, 0o755)
	}
	dir, err := os.MkdirTemp("", "pocketchain-")
	c.opts.Dir, c.ownDir = dir, dir
	return err
}

func (c *Chain) logger() (log.Logger, error) {
	filter, err := log.ParseLogLevel("info")
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	// The modules log some of their work past the app's logger, at debug level
	// to standard error (poktroll pkg/polylog).
	polylog.DefaultContextLogger = polyzero.NewLogger(
		polyzero.WithOutput(c.opts.Log), polyzero.WithLevel(polyzero.WarnLevel),
	)
	return log.NewLogger(c.opts.Log, log.OutputJSONOption(), log.FilterOption(filter)), nil
}

func (c *Chain) startNode(logger log.Logger) error {
	secret := []byte(c.opts.ChainID + "/consensus")
	priv := cmttypes.NewMockPVWithParams(ed25519.GenPrivKeyFromSecret(secret), false, false)
	doc, err := genesisDoc(c.opts, c.actors, c.app.AppCodec(), c.app.DefaultGenesis(), priv)
	if err != nil {
		return err
	}
	cfg := c.nodeConfig()
	c.node, err = node.NewNode(
		cfg, priv, &p2p.NodeKey{PrivKey: ed25519.GenPrivKeyFromSecret([]byte(c.opts.ChainID + "/p2p"))},
		proxy.NewLocalClientCreator(server.NewCometABCIWrapper(seededApp{App: c.app, opts: c.opts})),
		func() (*cmttypes.GenesisDoc, error) { return doc, nil },
		func(*cmtcfg.DBContext) (cometdb.DB, error) { return cometdb.NewMemDB(), nil },
		node.DefaultMetricsProvider(cfg.Instrumentation),
		servercmtlog.CometLoggerWrapper{Logger: logger},
	)
	if err != nil {
		return fmt.Errorf("build node: %w", err)
	}
	c.rpc = local.New(c.node)
	if err := c.ledger.follow(c.node.EventBus()); err != nil {
		return err
	}
	if err := c.node.Start(); err != nil {
		return fmt.Errorf("start node: %w", err)
	}
	c.onClose(func() {
		if err := c.node.Stop(); err == nil {
			c.node.Wait()
		}
	})
	return nil
}

// nodeConfig is CometBFT's, with one peerless validator and our block time.
func (c *Chain) nodeConfig() *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	cfg.SetRoot(c.opts.Dir)
	cfg.Moniker = "devnet"
	cfg.RPC.ListenAddress = "" // served by serveRPC, which knows its port
	cfg.P2P.ListenAddress = "tcp://127.0.0.1:0"
	cfg.P2P.PexReactor = false
	cfg.P2P.AddrBookStrict = false
	cfg.Consensus.TimeoutCommit = c.opts.BlockTime
	cfg.Mempool.Size = 20_000
	cfg.TxIndex.Indexer = "null"
	if c.opts.TxIndex {
		cfg.TxIndex.Indexer = "kv"
	}
	cfg.Instrumentation.Prometheus = false
	return cfg
}

func (c *Chain) onClose(stop func()) { c.stops = append(c.stops, stop) }

// Close stops the chain; its state is gone with it.
func (c *Chain) Close() error {
	for len(c.stops) > 0 {
		last := len(c.stops) - 1
		stop := c.stops[last]
		c.stops = c.stops[:last]
		stop()
	}
	var errs []error
	if c.app != nil {
		errs = append(errs, c.app.Close())
		c.app = nil
	}
	if c.ownDir != "" {
		errs = append(errs, os.RemoveAll(c.ownDir))
		c.ownDir = ""
	}
	return errors.Join(errs...)
}

// ID is the chain id.
func (c *Chain) ID() string { return c.opts.ChainID }

// Actors are the accounts that genesis created.
func (c *Chain) Actors() Actors { return c.actors }

// Services are the services that genesis created.
func (c *Chain) Services() []Service { return c.opts.Services }

// RPCURL and GRPCURL are the endpoints for clients, on loopback.
func (c *Chain) RPCURL() string { return "http://" + c.rpcAddr }

// GRPCURL is the app's gRPC endpoint.
func (c *Chain) GRPCURL() string { return "http://" + c.grpcAddr }

// Conn is a gRPC connection for the modules' query clients.
func (c *Chain) Conn() *grpc.ClientConn { return c.conn }

// RPC is CometBFT's client without the network between.
func (c *Chain) RPC() *local.Local { return c.rpc }
