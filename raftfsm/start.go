package raftfsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// How raft is set up. Commands are small and few: the log is cut early, but never
// so early that an older snapshot would lack the entries after it.
const (
	transportPool     = 3
	rpcTimeout        = time.Second
	logCacheSize      = 512
	snapshotInterval  = 30 * time.Second
	snapshotThreshold = 1024
	trailingLogs      = 2 * snapshotThreshold
)

// startRaft starts the library's node and the goroutines around it.
func (n *Node) startRaft(logger hclog.Logger) error {
	n.transport = newProgressTransport(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  n.network,
		Logger:  logger,
		MaxPool: transportPool,
		Timeout: rpcTimeout,
		// Pipelined replication can wedge for ever after a follower stalled
		// (hashicorp/raft #612), and the library's own notes advise against it.
		MaxRPCsInFlight:         1,
		MsgpackUseNewTimeFormat: true,
	}))
	if err := n.newRaft(logger); err != nil {
		return errors.Join(err, n.transport.Close())
	}
	n.raft.RegisterObserver(n.metrics.leaderObserver())
	n.background.Go(func() { n.leadership.follow(n.words) })
	n.background.Go(n.failover.run)
	n.background.Go(n.keepWarm)
	n.background.Go(n.rememberAdmission)
	if n.cfg.Ledger != nil {
		n.background.Go(n.fillLedger)
	}
	if len(n.cfg.Needs) > 0 {
		n.background.Go(n.watchNeeds)
	}
	if n.cfg.BootstrapExpect > 0 {
		n.background.Go((&bootstrap{node: n}).run)
	}
	return nil
}

func (n *Node) newRaft(logger hclog.Logger) error {
	watch := diskWatch{limit: n.cfg.StallLimit, fail: n.fail, observe: n.metrics.observeWrite}
	stable := watchedStable{StableStore: n.store.stable, watch: watch}
	logs, err := raft.NewLogCache(logCacheSize, watchedLogs{LogStore: n.store.logs, watch: watch})
	if err != nil {
		return fmt.Errorf("raft log cache: %w", err)
	}
	n.raft, err = raft.NewRaft(n.raftConfig(logger), n.fsm, logs, stable, n.store.snapshots, n.transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	close(n.started)
	return nil
}

func (n *Node) raftConfig(logger hclog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(n.cfg.NodeID)
	conf.HeartbeatTimeout = n.cfg.HeartbeatTimeout
	conf.ElectionTimeout = n.cfg.ElectionTimeout
	conf.LeaderLeaseTimeout = n.cfg.LeaderLeaseTimeout
	conf.CommitTimeout = n.cfg.CommitTimeout
	conf.SnapshotInterval = snapshotInterval
	conf.SnapshotThreshold = snapshotThreshold
	conf.TrailingLogs = trailingLogs
	conf.ShutdownOnRemove = false // a removed node says so; it does not vanish
	conf.NotifyCh = n.words
	conf.Logger = logger
	conf.NoLegacyTelemetry = true
	return conf
}
