package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// pipeliner sends commands together, on one connection.
type pipeliner interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// writeRoute is where writes of p go that replicas have to confirm: WAIT speaks
// of its own connection's writes, and names no key by which a Cluster client
// could send it to the same server.
func (p *partition) writeRoute(ctx context.Context) (pipeliner, error) {
	cluster, ok := p.rdb.(*redis.ClusterClient)
	if !ok || p.opts.Replicas == 0 {
		return p.rdb, nil
	}
	master, err := cluster.MasterForKey(ctx, p.keys.Meta(p.number))
	if err != nil {
		return nil, fmt.Errorf("master of partition %d: %w", p.number, err)
	}
	return master, nil
}

// await asks replicas for confirmation of what is before it in the pipeline.
func (p *partition) await(ctx context.Context, pipe redis.Pipeliner) *redis.Cmd {
	if p.opts.Replicas == 0 {
		return nil
	}
	return pipe.Do(ctx, "WAIT", p.opts.Replicas, p.opts.ReplicaWait.Milliseconds())
}

// confirmed says whether enough replicas have what await followed. If they do
// not, the write stands all the same: it is in the master, and this is noticed.
func (p *partition) confirmed(answer *redis.Cmd) bool {
	if answer == nil {
		return true
	}
	n, err := answer.Int()
	enough := err == nil && n >= p.opts.Replicas
	if !enough {
		p.metrics.unreplicated.Inc()
	}
	if enough == p.alone {
		p.alone = !enough
		p.log.Warn("confirmation by replicas", zap.Int("partition", p.number), zap.Bool("enough", enough),
			zap.Int("replicas", n), zap.Int("wanted", p.opts.Replicas), zap.Error(err))
	}
	return enough
}

// moved tells that another server of a Cluster holds the partition now.
func (p *partition) moved(ctx context.Context, err error) {
	if cluster, ok := p.rdb.(*redis.ClusterClient); ok && redis.HasErrorPrefix(err, "MOVED") {
		cluster.ReloadState(ctx)
	}
}
