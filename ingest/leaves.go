package ingest

import (
	"context"
	"fmt"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

const (
	// scanCount is how much one answer brings of a stream or of names.
	scanCount = 1000
	// scanNodes is how many records of a tree one HSCAN looks at. They may be sheaves.
	scanNodes = 100
)

// Leaves are the relays that Redis holds in the tree of key, in no order and
// perhaps some of them twice. Whoever reads them needs no ownership, and has to
// check what they make: the tree may change or be gone meanwhile.
func Leaves(ctx context.Context, rdb redis.UniversalClient, keys Keys, key chain.SessionKey, weight uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for record, err := range records(ctx, rdb, keys.Nodes(key)) {
			if err != nil {
				yield(nil, err)
				return
			}
			for relay := range sessiontree.Relays(record, weight) {
				if !yield(relay, nil) {
					return
				}
			}
		}
	}
}

// records are those of a tree, in no order and perhaps some of them twice.
func records(ctx context.Context, rdb redis.UniversalClient, key string) iter.Seq2[sessiontree.Node, error] {
	return func(yield func(sessiontree.Node, error) bool) {
		nodes := rdb.HScan(ctx, key, 0, "", scanNodes).Iterator()
		for nodes.Next(ctx) {
			digest := nodes.Val()
			if !nodes.Next(ctx) {
				break
			}
			if len(digest) != len(sessiontree.Digest{}) {
				continue // not ours
			}
			if !yield(sessiontree.Node{Digest: sessiontree.Digest([]byte(digest)), Data: []byte(nodes.Val())}, nil) {
				return
			}
		}
		if err := nodes.Err(); err != nil {
			yield(sessiontree.Node{}, fmt.Errorf("read nodes: %w", err))
		}
	}
}
