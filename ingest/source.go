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

// nodesPerRead bounds one HMGET.
const nodesPerRead = 2000

// Nodes implements sessiontree.Source.
func (s nodeSource) Nodes(ctx context.Context, digests []sessiontree.Digest) ([][]byte, error) {
	nodes := make([][]byte, 0, len(digests))
	for len(digests) > 0 {
		n := min(len(digests), nodesPerRead)
		fields := make([]string, n)
		for i, d := range digests[:n] {
			fields[i] = string(d[:])
		}
		values, err := s.rdb.HMGet(ctx, s.key, fields...).Result()
		if err != nil {
			return nil, fmt.Errorf("read tree nodes: %w", err)
		}
		for _, value := range values {
			text, _ := value.(string)
			nodes = append(nodes, []byte(text))
		}
		digests = digests[n:]
	}
	return nodes, nil
}
