package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/raftminer/raftminer/claims"
	"github.com/raftminer/raftminer/raftfsm"
)

// needs are what a leader works with. The group keeps a leader that misses one as
// long as no other member misses less.
func (m *miner) needs() []raftfsm.Need {
	return []raftfsm.Need{
		{Name: "redis", Check: m.pingRedis, Holders: true},
		{Name: "chain", Check: func(context.Context) error { return m.feed.Err() }},
		{Name: "keys", Check: func(context.Context) error { return m.lacksKeys() }},
	}
}

// lacksKeys names the suppliers with sessions that are yet to be claimed or proved and
// without a key here: a secret that was taken out of its source, or that another member
// has.
func (m *miner) lacksKeys() error {
	node := m.opened.Load()
	if node == nil {
		return nil // the group's state is not read yet
	}
	var missing map[string]int
	node.View(func(state *raftfsm.State) { missing = claims.Keyless(state.Sessions(), m.keys) })
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s: open sessions of %s", claims.ReasonNoKey, strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
}

func (c *common) pingRedis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := c.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
