package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
	"github.com/raftminer/raftminer/e2e/devnet/balancer"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/devnet/redisd"
)

// Devnet is a running network. Its methods are safe for concurrent use, except
// that nothing may be called after Close.
type Devnet struct {
	opts     Options
	dir      string
	data     string // the nodes' data directories
	ownDir   bool
	binary   string
	chain    *pocketchain.Chain
	redis    *redisd.Server
	backends *backends.Server
	balancer *balancer.Balancer
	miners   []*node
	relayers []*node
	stops    []func() error // run by Close, last first

	mu       sync.Mutex
	manifest Manifest

	nodesMu sync.Mutex // guards miners once the network is up
}

// Start boots a devnet and returns once every part of it is ready.
func Start(ctx context.Context, opts Options) (*Devnet, error) {
	d := &Devnet{opts: opts.withDefaults()}
	if err := d.boot(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start devnet: %w", err), d.Close())
	}
	return d, nil
}

func (d *Devnet) boot(ctx context.Context) error {
	if err := d.opts.validate(); err != nil {
		return err
	}
	steps := []func(context.Context) error{d.makeDir}
	if d.opts.OnlyChain {
		steps = append(steps, d.startChain)
	} else {
		// The balancer comes before the chain: suppliers announce its URL on it.
		steps = append(steps, d.findBinary, d.planNodes, d.startBalancer, d.startChain,
			d.startRedis, d.startBackends, d.startNodes)
	}
	for _, step := range append(steps, d.writeManifest) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// maxSocketDir is how long a node's data directory may be: it holds a unix
// socket, and the kernel takes 107 bytes of path.
const maxSocketDir = 107 - len("/miner-99/admin.sock")

// makeDir makes the state directory, without what an earlier devnet left in it:
// its chain is gone, and its trees and raft logs with it.
func (d *Devnet) makeDir(context.Context) (err error) {
	if d.opts.StateDir == "" {
		d.dir, err = os.MkdirTemp("", "raftminer-devnet-")
		d.ownDir = err == nil
	} else {
		d.dir, err = filepath.Abs(d.opts.StateDir)
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	for _, old := range []string{"data", "redis", "logs"} {
		if err := os.RemoveAll(filepath.Join(d.dir, old)); err != nil {
			return fmt.Errorf("clear state directory: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "logs"), 0o755); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return d.placeData()
}

// placeData puts the nodes' data below the state directory, or in a shorter
// place when their sockets would not fit there.
func (d *Devnet) placeData() (err error) {
	d.data = filepath.Join(d.dir, "data")
	if len(d.data) <= maxSocketDir {
		return nil
	}
	if d.data, err = os.MkdirTemp("", "devnet-"); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	d.onClose(func() error { return os.RemoveAll(d.data) })
	return nil
}

// logPath is where the log of a part goes.
func (d *Devnet) logPath(name string) string { return filepath.Join(d.dir, "logs", name+".log") }

func (d *Devnet) startBalancer(context.Context) (err error) {
	var targets []balancer.Backend
	for _, r := range d.relayers {
		targets = append(targets, balancer.Backend{Addr: r.addr, Ready: "http://" + r.metrics + "/readyz"})
	}
	if d.balancer, err = balancer.Start(d.opts.BalancerAddr, targets); err != nil {
		return err
	}
	d.onClose(d.balancer.Close)
	d.opts.Chain.SupplierURL = d.BalancerURL()
	return nil
}

func (d *Devnet) startChain(ctx context.Context) error {
	log, err := os.Create(d.logPath("chain"))
	if err != nil {
		return fmt.Errorf("chain log: %w", err)
	}
	d.onClose(log.Close)
	opts := d.opts.Chain
	opts.Log = log
	if d.chain, err = pocketchain.Start(ctx, opts); err != nil {
		return err
	}
	d.onClose(d.chain.Close)
	d.say("chain     %s, rpc %s, grpc %s", d.chain.ID(), d.chain.RPCURL(), d.chain.GRPCURL())
	return nil
}

func (d *Devnet) startRedis(ctx context.Context) (err error) {
	d.redis, err = redisd.Start(ctx, redisd.Options{
		Dir: filepath.Join(d.dir, "redis"), LogPath: d.logPath("redis"), Fsync: d.opts.AppendFsync, Users: d.opts.RedisUsers,
	})
	if err != nil {
		return err
	}
	d.onClose(d.redis.Close)
	d.say("redis     %s at %s", d.redis.Kind(), d.redis.URL())
	return nil
}

func (d *Devnet) startBackends(context.Context) (err error) {
	if d.backends, err = backends.Start(); err != nil {
		return err
	}
	d.onClose(d.backends.Close)
	return nil
}

func (d *Devnet) say(format string, args ...any) {
	fmt.Fprintf(d.opts.Progress, format+"\n", args...)
}

func (d *Devnet) onClose(stop func() error) { d.stops = append(d.stops, stop) }

// Close stops everything, last started first, and removes a temporary state
// directory.
func (d *Devnet) Close() error {
	var errs []error
	for len(d.stops) > 0 {
		last := len(d.stops) - 1
		stop := d.stops[last]
		d.stops = d.stops[:last]
		errs = append(errs, stop())
	}
	if d.ownDir {
		errs = append(errs, os.RemoveAll(d.dir))
		d.ownDir = false
	}
	return errors.Join(errs...)
}

// Chain is the chain, with its queries and events.
func (d *Devnet) Chain() *pocketchain.Chain { return d.chain }

// Redis is the devnet's Redis.
func (d *Devnet) Redis() *redisd.Server { return d.redis }

// BalancerURL is where relays go.
func (d *Devnet) BalancerURL() string { return "http://" + d.balancer.Addr() }

// Dir is the state directory.
func (d *Devnet) Dir() string { return d.dir }
