package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest"
)

// accident is a way in which Redis forgets.
type accident struct {
	name string
	lost bool // something, with a spool that is too small
	// begin brings a Redis up; happens is called twice: before the relays that may be
	// forgotten, and once they are in trees.
	begin func(t *testing.T) (rdb redis.UniversalClient, pause, happens func())
}

func accidents() []accident {
	return []accident{
		{"restart with the append-only file", false, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t, "--appendonly", "yes")
			return single(s), func() {}, func() { s.kill(); s.start() }
		}},
		{"restart with half an append-only file", true, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t, "--appendonly", "yes")
			return single(s), func() {}, func() { s.kill(); s.halve(); s.start() }
		}},
		{"restart without persistence", true, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t)
			return single(s), func() {}, func() { s.kill(); s.start() }
		}},
		{"failover to a replica that was behind", true, failover},
	}
}

// halve cuts the append-only file off, as a machine does that loses power.
func (s *server) halve() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("append-only files %q: %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err == nil {
		err = os.Truncate(files[0], info.Size()/2)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// failover is Sentinel promoting a replica that stood still.
func failover(t *testing.T) (_ redis.UniversalClient, pause, happens func()) {
	master := startServer(t)
	replica := startServer(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.port))
	sentinel := startServer(t, "sentinel", fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", master.port))
	ctx := context.Background()
	direct := redis.NewClient(&redis.Options{Addr: master.addr()})
	t.Cleanup(func() { _ = direct.Close() })
	watcher := redis.NewSentinelClient(&redis.Options{Addr: sentinel.addr()})
	t.Cleanup(func() { _ = watcher.Close() })
	inSync := func() bool {
		return direct.Set(ctx, "probe", 1, 0).Err() == nil && direct.Do(ctx, "WAIT", 1, 100).Val() == int64(1)
	}
	eventually(t, "the replica is in sync and known", func() bool {
		replicas, err := watcher.Replicas(ctx, "main").Result()
		return inSync() && err == nil && len(replicas) == 1
	})
	signal := func(sig syscall.Signal) {
		if err := replica.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: []string{sentinel.addr()}})
	return rdb, func() {
			eventually(t, "the replica has what is there", inSync)
			signal(syscall.SIGSTOP)
			// What is sent to it from here on would wait in its socket.
			if err := direct.Do(ctx, "CLIENT", "KILL", "TYPE", "replica").Err(); err != nil {
				t.Fatal(err)
			}
		}, func() {
			master.kill()
			signal(syscall.SIGCONT)
			eventually(t, "the replica is the master", func() bool {
				role, err := rdb.Do(ctx, "ROLE").Slice()
				return err == nil && role[0] == "master"
			})
		}
}

// However Redis forgets, the trees are those of relays that were published, relayers
// bring what they still have, and what is missing after that is told exactly.
func TestLossIsToldExactly(t *testing.T) {
	size := (&entry{relay: testRelay(0)}).size()
	for _, a := range accidents() {
		for name, keep := range map[string]int{"with a spool for all": 400, "with a spool for some": 30} {
			t.Run(a.name+" "+name, func(t *testing.T) {
				t.Parallel()
				rdb, pause, happens := a.begin(t)
				r := newRig(t, rdb, Options{MaxBytes: keep * size})
				r.lead()
				r.publish(0, 200)
				r.holds(200)
				pause()
				r.publish(200, 300)
				r.holds(300)
				happens()
				r.lead()
				r.settles()
				r.publish(300, 400) // more than was lost: totals alone would hide it

				missing := r.seal(400)
				if lossy := a.lost && keep < 300; lossy != (missing > 0) {
					t.Errorf("%d relays are missing", missing)
				}
				t.Logf("%d of 400 relays are missing, and told to be", missing)
			})
		}
	}
}

// settles waits until the relayer has noticed, and has published again what it has.
func (r *rig) settles() {
	r.t.Helper()
	eventually(r.t, "redis going back is noticed", func() bool { return testutil.ToFloat64(r.spool.metrics.changes) > 0 })
	looks := r.spool.looks.Load()
	eventually(r.t, "the relayer looks again", func() bool { return r.spool.looks.Load() >= looks+2 })
	if failed := testutil.ToFloat64(r.spool.metrics.republished.WithLabelValues("failed")); failed != 0 {
		r.t.Errorf("%v relays were not published again", failed)
	}
}

// seal makes every tree final once relayers told of all published relays, and returns
// how many are missing, which has to be the difference.
func (r *rig) seal(published int) (missing int) {
	r.t.Helper()
	ctx := context.Background()
	all := make(map[string]bool, published)
	for n := range published {
		all[string(testRelay(n).Relay)] = true
	}
	for n := range testSessions {
		key := testRelay(n).Key()
		want := uint64(published / testSessions)
		eventually(r.t, "the miner is told of every relay", func() bool {
			told, err := ingest.Told(ctx, r.rdb, testKeys(), key)
			return err == nil && told == want
		})
		head, err := r.owner.Seal(ctx, key)
		if err != nil {
			r.t.Fatal(err)
		}
		reference := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
		leaves := make(map[string]bool)
		for relay, err := range ingest.Leaves(ctx, r.rdb, testKeys(), key, head.Weight) {
			if err != nil {
				r.t.Fatal(err)
			}
			if leaves[string(relay)] {
				continue
			}
			leaves[string(relay)] = true
			if !all[string(relay)] {
				r.t.Errorf("session %d has a relay that nobody published", n)
			}
			path := sha256.Sum256(relay)
			if err := reference.Update(path[:], relay, head.Weight); err != nil {
				r.t.Fatal(err)
			}
		}
		if !bytes.Equal(head.Root, reference.Root()) || head.Count != uint64(len(leaves)) {
			r.t.Errorf("session %d: a tree of %d relays has %d leaves, and another root", n, head.Count, len(leaves))
		}
		missing += int(want - head.Count)
	}
	return missing
}
