package spool

import (
	"context"
	"strconv"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/ingest/redistest"
)

// One master of a Cluster is away. Relays for it wait in the spool; those for others go
// into their streams, and what miners say of their sessions is heard.
func TestADeadMasterHoldsUpItsRelaysOnly(t *testing.T) {
	servers := make(map[string]*server)
	var addrs []string
	for range 3 {
		bus, err := port.Free(1)
		if err != nil {
			t.Fatal(err)
		}
		s := startServer(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus[0]),
			"--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no", "--appendonly", "yes", "--appendfsync", "always")
		servers[s.addr()] = s
		addrs = append(addrs, s.addr())
	}
	rdb, ctx := redistest.Cluster(t, addrs...), context.Background()
	master := func(key chain.SessionKey) *server {
		node, err := rdb.MasterForKey(ctx, testKeys().Nodes(key))
		if err != nil {
			t.Fatal(err)
		}
		return servers[node.Options().Addr]
	}
	r := newRig(t, rdb, Options{MaxBytes: 1 << 20, Dir: t.TempDir()})
	r.lead()
	r.publish(0, 50)
	r.holds(50)

	dead := master(testRelay(0).Key())
	var onDead, left []int
	for n := range testSessions {
		if master(testRelay(n).Key()) == dead {
			onDead = append(onDead, n)
		} else {
			left = append(left, n)
		}
	}
	if len(left) == 0 {
		t.Fatal("all sessions are on one master")
	}
	dead.kill()
	r.publish(50, 100)
	isOnDead := func(e *entry) bool { return master(e.relay.Key()) == dead }
	eventually(t, "relays for the others are in their streams", func() bool {
		return len(r.spool.selected(func(e *entry) bool { return e.pending && !isOnDead(e) })) == 0
	})
	if waiting := r.spool.selected(func(e *entry) bool { return e.pending }); len(waiting) != 10*len(onDead) {
		t.Errorf("%d relays wait for the dead master, want %d", len(waiting), 10*len(onDead))
	}
	settled := testRelay(left[0]).Key()
	if err := r.owner.Archived(ctx, []chain.SessionKey{settled}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "relays of an archived session are let go of", func() bool {
		return len(r.spool.selected(func(e *entry) bool { return e.relay.Key() == settled })) == 0
	})
	dead.start()
	r.lead()
	r.holds(100)
}
