package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/claims"
	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/archive"
	"github.com/raftminer/raftminer/raftfsm"
)

// exitTemporary is EX_TEMPFAIL: a supervisor should start the process again.
const exitTemporary = 75

func minerCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "miner",
		Short: "Member of the raft group; its leader builds trees, claims and proves",
		Args:  exactArgs(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return runMiner(cmd.Context(), path) },
	}
	configFlag(cmd, &path)
	return cmd
}

// miner is one member of the group.
type miner struct {
	*common
	node          *raftfsm.Node
	claimsMetrics *claims.Metrics
	ingestMetrics *ingest.Metrics
	terms         claims.Config

	owner          *ingest.Owner // of the partitions that this member holds
	archive        *archive.Archive
	archivist      *claims.Archivist
	book           *ledger.Book
	engine         atomic.Pointer[claims.Engine] // of the epoch that this node leads in
	opened         atomic.Pointer[raftfsm.Node]  // node, for what asks while it opens
	archivedProofs prometheus.Counter
}

func runMiner(ctx context.Context, path string) error {
	c, err := newCommon(path, config.RoleMiner)
	if err != nil {
		return err
	}
	defer c.close()
	c.warnOfRedis()
	m := &miner{common: c, claimsMetrics: claims.NewMetrics(c.registry), ingestMetrics: ingest.NewMetrics(c.registry)}
	price, err := c.cfg.Tx.Price()
	if err != nil {
		return err
	}
	most, err := c.cfg.Tx.MaxPrice()
	if err != nil {
		return err
	}
	m.terms = claims.Config{
		GasPrice: price, MaxGasPrice: max(price, most), GasAdjustment: c.cfg.Tx.GasAdjustment, MaxGas: c.cfg.Tx.GasLimit,
		Memo: "raftminer " + c.cfg.Cluster.ID, SkipUnprofitable: c.cfg.Tx.SkipUnprofitable,
		KeepBlocks: int64(c.cfg.Miner.KeepBlocks),
	}
	m.owner = ingest.NewOwner(c.redis, c.names, c.cfg.Miner.NodeID, ingest.Options{
		FlushInterval: c.cfg.Miner.Ingest.FlushInterval, FlushRelays: c.cfg.Miner.Ingest.FlushRelays,
		Replicas: c.cfg.Redis.Replicas, ReplicaWait: c.cfg.Redis.ReplicaWait,
		Metrics: m.ingestMetrics, Log: c.log,
	})
	if m.archive, err = archive.Open(filepath.Join(c.cfg.Miner.DataDir, "archive")); err != nil {
		return err
	}
	if m.book, err = ledger.Open(filepath.Join(c.cfg.Miner.DataDir, "ledger"), c.registry, c.log); err != nil {
		return err
	}
	m.archivedProofs = promauto.With(c.registry).NewCounter(prometheus.CounterOpts{
		Name: "ha_miner_proofs_from_archive_total", Help: "Proofs made from an archive, this node's or another member's, because Redis did not have the tree.",
	})
	if m.node, err = raftfsm.Open(m.raftConfig(), c.registry, c.log); err != nil {
		return err
	}
	m.archivist = claims.NewArchivist(m.cfg.Miner.NodeID, m.node, m.archive, m.leaves, m.registry, m.log)
	m.opened.Store(m.node)
	return m.run(ctx)
}

// run ends when ctx does: the node hands leadership over before the rest stops.
func (m *miner) run(ctx context.Context) error {
	nodeDone := make(chan struct{})
	group := new(run.Group)
	if err := m.support(group, ops{checks: append(m.checks(), check{"raft", m.leaderKnown})}); err != nil {
		return errors.Join(err, m.node.Close())
	}
	// It ends first: then nothing is refused while the node hands over.
	holdCtx, stopHolding := context.WithCancel(ctx)
	holdDone := make(chan struct{})
	group.Add(
		func() error { defer close(holdDone); m.hold(holdCtx); return nil },
		func(error) { stopHolding(); <-holdDone })
	nodeCtx, stopNode := context.WithCancel(ctx)
	group.Add(
		func() error { defer close(nodeDone); return m.node.Run(nodeCtx, m.lead) },
		func(error) { stopNode(); <-nodeDone })
	adminCtx, stopAdmin := context.WithCancel(context.Background())
	group.Add(
		func() error {
			return raftfsm.ServeAdmin(adminCtx, m.node, filepath.Join(m.cfg.Miner.DataDir, "admin.sock"))
		},
		func(error) { stopAdmin() })
	compareCtx, stopComparing := context.WithCancel(nodeCtx)
	group.Add(
		func() error {
			m.node.CompareStates(compareCtx, raftfsm.CompareInterval)
			<-compareCtx.Done()
			return nil
		},
		func(error) { stopComparing() })
	archiveCtx, stopArchive := context.WithCancel(context.Background())
	group.Add(
		func() error { m.archivist.Run(archiveCtx); return nil },
		func(error) { stopArchive() })
	bookCtx, closeBook := context.WithCancel(context.Background())
	group.Add(
		func() error { m.book.Run(bookCtx); return nil },
		func(error) { closeBook() })
	m.followKeys(group, m.paid)
	m.log.Info("miner started", zap.String("node", m.cfg.Miner.NodeID), zap.Int("suppliers", len(m.keys.Suppliers())))
	return group.Run()
}

// lead is this node's work for as long as its epoch is the open one. Any error
// ends the leadership: a leader that cannot work must not stay one.
func (m *miner) lead(ctx context.Context, epoch raftfsm.Epoch) error {
	t := newTrees(m, epoch)
	engine := claims.New(m.terms, epoch, m.feed, m.chain, m.node, t, m.keys, m.claimsMetrics, m.log)
	m.engine.Store(engine)
	defer m.engine.Store(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { m.node.SpreadPartitions(ctx, epoch, m.cfg.Miner.Ingest.Spread); return nil })
	group.Go(func() error { t.settle(ctx); return engine.Run(ctx) })
	return group.Wait()
}

// leaves reads a sealed tree from Redis.
func (m *miner) leaves(ctx context.Context, key chain.SessionKey, weight uint64) archive.Leaves {
	return ingest.Leaves(ctx, m.redis, m.names, key, weight)
}

// resubmit does what an operator asks the leader for.
func (m *miner) resubmit(ctx context.Context, key chain.SessionKey) (raftfsm.Intent, error) {
	engine := m.engine.Load()
	if engine == nil {
		return raftfsm.Intent{}, raftfsm.ErrNotLeader
	}
	return engine.Resubmit(ctx, key)
}

func (m *miner) leaderKnown() error {
	if m.node.Status().LeaderID == "" {
		return errors.New("no leader is known")
	}
	return nil
}

func (m *miner) raftConfig() raftfsm.Config {
	r := m.cfg.Miner.Raft
	cfg := raftfsm.Config{
		NodeID: m.cfg.Miner.NodeID, DataDir: m.cfg.Miner.DataDir,
		Bind: r.Bind, Advertise: r.Advertise,
		ClusterID: m.cfg.Cluster.ID, Partitions: m.cfg.Cluster.Partitions,
		BootstrapExpect: r.BootstrapExpect, Version: raftfsm.BuildVersion(), ConfigHash: m.cfg.Hash(),
		Needs: m.needs(), Holder: m, Ledger: m.book, Resubmit: m.resubmit,
		HeartbeatTimeout: r.Heartbeat, ElectionTimeout: r.Election, LeaderLeaseTimeout: r.Lease, CommitTimeout: r.Commit,
		Exit: func(reason error) {
			fmt.Fprintln(os.Stderr, reason)
			os.Exit(exitTemporary)
		},
	}
	if r.TLS.Enabled() {
		cfg.TLS = &raftfsm.TLSFiles{CA: r.TLS.CA, Cert: r.TLS.Cert, Key: r.TLS.Key}
	}
	for _, p := range r.Peers {
		cfg.Peers = append(cfg.Peers, raftfsm.Peer{ID: p.ID, Addr: p.Addr})
	}
	return cfg
}
