package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// replicaWait bounds the wait for a replica to learn of a raised fence.
const replicaWait = 100 * time.Millisecond

// Acquire makes an owner of all partitions, under one fence, or of none.
func Acquire(ctx context.Context, rdb redis.UniversalClient, keys Keys, epoch, owner string, opts Options) (*Owner, error) {
	o := NewOwner(rdb, keys, owner, opts)
	fences := make(map[int]string)
	for n := range keys.Partitions() {
		fences[n] = epoch
	}
	if err := o.Take(ctx, fences); err != nil {
		return nil, fmt.Errorf("acquire partitions for epoch %s: %w", epoch, err)
	}
	return o, nil
}

// shard is a server and the partitions it holds.
type shard struct {
	rdb   redis.UniversalClient
	parts []*partition
}

// shards is one for all partitions, except in a Cluster.
func (o *Owner) shards(ctx context.Context, parts []*partition) ([]*shard, error) {
	cluster, ok := o.rdb.(*redis.ClusterClient)
	if !ok {
		return []*shard{{rdb: o.rdb, parts: parts}}, nil
	}
	byMaster := make(map[*redis.Client]*shard)
	var shards []*shard
	for _, p := range parts {
		master, err := cluster.MasterForKey(ctx, o.keys.Meta(p.number))
		if err != nil {
			return nil, fmt.Errorf("master of partition %d: %w", p.number, err)
		}
		if byMaster[master] == nil {
			byMaster[master] = &shard{rdb: master}
			shards = append(shards, byMaster[master])
		}
		byMaster[master].parts = append(byMaster[master].parts, p)
	}
	return shards, nil
}

// acquire raises the fences of a shard in one pipeline. If there is a replica,
// WAIT gives it the chance to know them before this owner acts, so that a
// failover right now does not lose them. It has to share the connection: WAIT
// speaks of its own connection's writes. It says which partitions are taken.
func (o *Owner) acquire(ctx context.Context, s *shard) (taken []*partition, _ error) {
	replicated := hasReplicas(ctx, s.rdb)
	answers := make([]*redis.Cmd, len(s.parts))
	var confirmed *redis.Cmd
	_, err := s.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range s.parts {
			answers[i] = acquireScript.Eval(ctx, pipe, p.fenceKeys(), p.epoch, p.owner, p.keys.Partitions())
		}
		if replicated {
			confirmed = pipe.Do(ctx, "WAIT", max(o.opts.Replicas, 1), replicaWait.Milliseconds())
		}
		return nil
	})
	var failures []error
	for i, p := range s.parts {
		if err := p.takeOver(answers[i]); err != nil {
			failures = append(failures, fmt.Errorf("partition %d: %w", p.number, err))
			continue
		}
		taken = append(taken, p)
	}
	if len(failures) > 0 {
		return taken, failures[0] // the others hardly differ
	}
	if err != nil {
		return nil, fmt.Errorf("raise fences: %w", err)
	}
	if confirmed == nil {
		return taken, nil
	}
	n, err := confirmed.Int()
	if err != nil || n == 0 {
		o.log.Warn("no replica confirmed the fence", zap.Error(err))
	}
	for _, p := range s.parts {
		p.mu.Lock()
		p.settleDurable(err == nil && n >= o.opts.Replicas)
		p.mu.Unlock()
	}
	return taken, nil
}

// takeOver is adopt for a partition that nobody uses yet. One that it fails for is
// left without anything in memory.
func (p *partition) takeOver(answer *redis.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.adopt(answer); err != nil {
		p.release()
		return err
	}
	return nil
}

func hasReplicas(ctx context.Context, rdb redis.UniversalClient) bool {
	role, err := rdb.Do(ctx, "ROLE").Slice()
	if err != nil || len(role) < 3 {
		return false
	}
	replicas, _ := role[2].([]any)
	return len(replicas) > 0
}
