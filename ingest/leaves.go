package ingest

import (
	"context"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// scanCount is how many nodes one HSCAN looks at.
const scanCount = 1000

// Leaves are the relays that Redis holds in the tree of key, in no order and
// perhaps some of them twice. Whoever reads them needs no ownership, and has to
// check what they make: the tree may change or be gone meanwhile.
func Leaves(ctx context.Context, rdb redis.UniversalClient, keys Keys, key chain.SessionKey, weight uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		nodes := rdb.HScan(ctx, keys.Nodes(key), 0, "", scanCount).Iterator()
		for nodes.Next(ctx) {
			digest := nodes.Val()
			if !nodes.Next(ctx) {
				break
			}
			relay, ok := sessiontree.LeafRelay(digest, []byte(nodes.Val()), weight)
			if ok && !yield(relay, nil) {
				return
			}
		}
		if err := nodes.Err(); err != nil {
			yield(nil, fmt.Errorf("read nodes: %w", err))
		}
	}
}
