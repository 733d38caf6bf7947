package main

import (
	"context"
	"fmt"

	"github.com/raftminer/raftminer/raftfsm"
)

// needs are what a leader works with. The group keeps a leader that misses one as
// long as no other member misses less.
func (m *miner) needs() []raftfsm.Need {
	return []raftfsm.Need{
		{Name: "redis", Check: m.pingRedis, Holders: true},
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
