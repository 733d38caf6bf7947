package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// nodeSource reads tree nodes from a session's hash.
type nodeSource struct {
	rdb redis.UniversalClient
	key string
}

// Leaf implements sessiontree.Store. It reads the records of the tree until it has
// found the leaf.
func (s nodeSource) Leaf(ctx context.Context, digest sessiontree.Digest) ([]byte, error) {
	for record, err := range records(ctx, s.rdb, s.key) {
		if err != nil {
			return nil, err
		}
		if leaf, found := sessiontree.FindLeaf(record, digest); found {
			return leaf, nil
		}
	}
	return nil, nil
}

// Nodes implements sessiontree.Store.
func (s nodeSource) Nodes(ctx context.Context, digests []sessiontree.Digest) ([][]byte, error) {
	var reads []*redis.SliceCmd
	_, err := s.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		reads = readNodes(ctx, pipe, s.key, digests)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read tree nodes: %w", err)
	}
	return nodesOf(reads), nil
}

// nodesPerRead bounds one HMGET.
const nodesPerRead = 1000

func readNodes(ctx context.Context, pipe redis.Pipeliner, key string, digests []sessiontree.Digest) (reads []*redis.SliceCmd) {
	for len(digests) > 0 {
		n := min(len(digests), nodesPerRead)
		fields := make([]string, n)
		for i := range fields {
			fields[i] = string(digests[i][:])
		}
		reads = append(reads, pipe.HMGet(ctx, key, fields...))
		digests = digests[n:]
	}
	return reads
}

// nodesOf joins what readNodes brought; a missing node is empty.
func nodesOf(reads []*redis.SliceCmd) (nodes [][]byte) {
	for _, read := range reads {
		for _, value := range read.Val() {
			text, _ := value.(string)
			nodes = append(nodes, []byte(text))
		}
	}
	return nodes
}
