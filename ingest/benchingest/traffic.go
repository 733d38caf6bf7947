package main

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// traffic counts what the miner asks of Redis: requests that wait for an
// answer, a pipeline as one, and the tree nodes that it reads.
type traffic struct{ trips, nodes atomic.Int64 }

// DialHook implements redis.Hook.
func (*traffic) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (t *traffic) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { t.count(cmd); return next(ctx, cmd) }
}

// ProcessPipelineHook implements redis.Hook.
func (t *traffic) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { t.count(cmds...); return next(ctx, cmds) }
}

func (t *traffic) count(cmds ...redis.Cmder) {
	t.trips.Add(1)
	for _, cmd := range cmds {
		if key, _ := cmd.Args()[min(1, len(cmd.Args())-1)].(string); strings.EqualFold(cmd.Name(), "hmget") && strings.Contains(key, ":nodes:") {
			t.nodes.Add(int64(len(cmd.Args()) - 2))
		}
	}
}
