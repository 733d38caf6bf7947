package e2e

import (
	"context"
	"testing"
	"time"
)

// A leader that alone does not reach Redis, or the chain, hands over to a member
// that does. While nobody reaches Redis there is no reason to: it stays, and
// works on once Redis is back.
func TestRaftLeaderWithoutRedis(t *testing.T) {
	c := newCords(t)
	n, ctx := startWith(t, "", c.edit)
	leader, _, _ := n.roles(ctx)
	term := n.metric(ctx, leader, "ha_raft_term")
	everybody := []string{"miner-1/redis", "miner-2/redis", "miner-3/redis"}
	c.hold(everybody...)
	n.await(ctx, "the leader misses Redis", func() bool { return n.metric(ctx, leader, "ha_raft_needs_missing") == 1 })
	n.staysPut(ctx, "nobody reaches Redis", leader, term)
	n.staysPut(ctx, "nobody reaches Redis", leader, term)
	c.release(everybody...)
	n.await(ctx, "the leader has Redis back", func() bool { return n.metric(ctx, leader, "ha_raft_needs_missing") == 0 })
	n.staysPut(ctx, "Redis is back", leader, term)
	n.leavesLeader(ctx, c, leader+"/redis", leader)
}

func TestRaftLeaderWithoutChain(t *testing.T) {
	c := newCords(t)
	n, ctx := startWith(t, "", c.edit)
	leader, _, _ := n.roles(ctx)
	n.leavesLeader(ctx, c, leader+"/chain", leader)
}

// leavesLeader holds a cord of the leader and awaits another one.
func (n *network) leavesLeader(ctx context.Context, c *cords, cord, leader string) {
	n.t.Helper()
	start := time.Now()
	c.hold(cord)
	defer c.release(cord)
	n.await(ctx, "another miner leads without "+cord, func() bool {
		for _, miner := range miners {
			if miner != leader && n.metric(ctx, miner, leaderMetric) == 1 {
				return true
			}
		}
		return false
	})
	n.t.Logf("without %s another miner leads after %s", cord, time.Since(start).Round(time.Millisecond))
}
