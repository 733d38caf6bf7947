package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// StoredHeads reads the heads of partitions, given by number. Whoever reads them
// needs no ownership; they are those of some instant, and may have moved on.
func StoredHeads(ctx context.Context, rdb redis.UniversalClient, keys Keys, partitions []int) (heads []Head, err error) {
	answers := make([]*redis.MapStringStringCmd, len(partitions))
	_, err = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, n := range partitions {
			answers[i] = pipe.HGetAll(ctx, keys.Heads(n))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read heads of partitions %v: %w", partitions, err)
	}
	for i, answer := range answers {
		for field, stored := range answer.Val() {
			head, err := decodeHead([]byte(stored))
			if err != nil {
				return nil, fmt.Errorf("partition %d, session %s: %w", partitions[i], field, err)
			}
			heads = append(heads, head)
		}
	}
	return heads, nil
}

// ProveStored is Owner.Prove for who does not hold the partition: a tree that Redis
// lost nodes of is not repaired.
func ProveStored(ctx context.Context, rdb redis.UniversalClient, keys Keys, key chain.SessionKey, root, path []byte) ([]byte, error) {
	return sessiontree.Prove(ctx, nodeSource{rdb: rdb, key: keys.Nodes(key)}, root, path)
}
