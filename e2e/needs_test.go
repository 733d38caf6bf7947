package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
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

// A leader without the key of a supplier that has open sessions hands over to a member
// that has it.
func TestRaftLeaderWithoutKey(t *testing.T) {
	dir := t.TempDir()
	own := func(name string) string { return filepath.Join(dir, "keys-of-"+name+".yaml") }
	n, ctx := startOptions(t, devnet.Options{StateDir: dir, Edit: func(name string, config map[string]any) {
		keys, err := os.ReadFile(filepath.Join(dir, "keys.yaml"))
		if err == nil {
			err = os.WriteFile(own(name), keys, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
		config["keys"].(map[string]any)["keys_file"] = own(name)
	}})
	enough := make(chan struct{})
	paid := n.driveAside(ctx, devnet.DriveOptions{Until: enough})
	n.nextSession(ctx) // there are sessions to lose
	poor, _, _ := n.roles(ctx)
	one := fmt.Sprintf("keys: [%s]\n", n.Chain().Actors().Suppliers[0].Hex())
	if err := os.WriteFile(own(poor), []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(poor, os.Kill); err != nil { // it would hold the keys in memory
		t.Fatal(err)
	}
	if err := n.Restart(ctx, poor); err != nil {
		t.Fatal(err)
	}
	n.await(ctx, poor+" misses keys", func() bool { return n.metric(ctx, poor, "ha_raft_needs_missing") == 1 })
	leader, err := n.WaitLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n.must(ctx, "transfer-leader", poor)
	n.await(ctx, "another miner leads than "+poor, func() bool {
		for _, miner := range miners {
			if miner != poor && n.metric(ctx, miner, leaderMetric) == 1 {
				return n.metric(ctx, poor, leaderMetric) == 0
			}
		}
		return false
	})
	t.Logf("%s led, then %s without a key, then another", leader, poor)
	close(enough)
	t.Logf("%+v", paid()) // windows of this chain are too short for three changes of leaders in a row
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
