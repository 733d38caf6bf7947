package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// acquirePause is how long a new leader waits before it asks a Redis that is away
// again.
const acquirePause = 100 * time.Millisecond

// acquire takes the partitions over. While Redis is away it tries on: to give up
// leadership would only pass the same trouble round, and if another member does
// reach Redis, the node hands over to it (see needs).
func (m *miner) acquire(ctx context.Context, epoch raftfsm.Epoch) (*ingest.Owner, error) {
	opts := ingest.Options{
		FlushInterval: m.cfg.Miner.Ingest.FlushInterval, FlushRelays: m.cfg.Miner.Ingest.FlushRelays,
		Replicas: m.cfg.Redis.Replicas, ReplicaWait: m.cfg.Redis.ReplicaWait,
		Metrics: m.ingestMetrics, Log: m.log,
	}
	for waited := false; ; waited = true {
		owner, err := ingest.Acquire(ctx, m.redis, m.names, epoch.String(), m.cfg.Miner.NodeID, opts)
		if err == nil || !m.redisAway(ctx, err) {
			return owner, err
		}
		if !waited {
			m.log.Warn("leading without Redis until it is back", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(acquirePause):
		}
	}
}

// redisAway tells trouble that ends with Redis's from trouble with what it holds.
func (m *miner) redisAway(ctx context.Context, err error) bool {
	if errors.Is(err, ingest.ErrFenced) || errors.Is(err, ingest.ErrPartitions) {
		return false
	}
	return errors.Is(err, ingest.ErrStoreFull) || errors.Is(err, ingest.ErrReadOnly) || m.pingRedis(ctx) != nil
}

// needs are what a leader works with. The group keeps a leader that misses one as
// long as no other member misses less.
func (m *miner) needs() []raftfsm.Need {
	return []raftfsm.Need{
		{Name: "redis", Check: m.pingRedis},
		{Name: "chain", Check: func(context.Context) error { return m.feed.Err() }},
	}
}

func (c *common) pingRedis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := c.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
