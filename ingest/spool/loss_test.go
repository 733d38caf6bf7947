package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

// accident is a way in which Redis forgets.
type accident struct {
	name  string
	lost  bool // something, with a spool that is too small
	whole bool // and all of a session
	// begin brings a Redis up; happens is called twice: before the relays that may be
	// forgotten, and once they are in trees.
	begin func(t *testing.T) (rdb redis.UniversalClient, pause, happens func())
}

func accidents() []accident {
	return []accident{
		{"restart with the append-only file", false, false, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t, "--appendonly", "yes")
			return single(s), func() {}, func() { s.kill(); s.start() }
		}},
		{"restart with half an append-only file", true, false, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t, "--appendonly", "yes")
			return single(s), func() {}, func() { s.kill(); s.halve(); s.start() }
		}},
		{"restart without persistence", true, true, func(t *testing.T) (redis.UniversalClient, func(), func()) {
			s := startServer(t)
			return single(s), func() {}, func() { s.kill(); s.start() }
		}},
		{"failover to a replica that was behind", true, true, failover},
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
// bring what they still have, and what is missing after that is told exactly: by a
// relayer that came later, too, and of a session that Redis has nothing of.
func TestLossIsToldExactly(t *testing.T) {
	size := (&entry{relay: testRelay(0)}).size()
	for _, a := range accidents() {
		for name, keep := range map[string]int{"with a spool for all": 450, "with a spool for some": 30} {
			t.Run(a.name+" "+name, func(t *testing.T) {
				t.Parallel()
				rdb, pause, happens := a.begin(t)
				r := newRig(t, rdb, Options{MaxBytes: keep * size})
				published := make(relays)
				r.lead()
				published.by(t, r.spool, 0, 200, testRelay)
				r.holds(200)
				pause()
				published.by(t, r.spool, 200, 210, func(n int) ingest.MinedRelay { return relayOf("brief", n) })
				published.by(t, r.spool, 210, 310, testRelay)
				r.holds(310)
				happens()
				r.lead()
				r.settles()
				late := r.relayer(Options{MaxBytes: keep * size})
				published.by(t, r.spool, 310, 360, testRelay) // more than was lost: totals alone would hide it
				published.by(t, late, 360, 410, testRelay)

				missing, whole := r.seal(published)
				some := keep < 300
				if lossy := a.lost && some; lossy != (missing > 0) {
					t.Errorf("%d relays are missing", missing)
				}
				if a.whole && some != whole {
					t.Errorf("a session is lost whole: %v, want %v", whole, some)
				}
				t.Logf("%d of 410 relays are missing, and told to be", missing)
			})
		}
	}
}

// relays are what was published, by session.
type relays map[chain.SessionKey]map[string]bool

func (all relays) by(t *testing.T, s *Spool, from, to int, relayOf func(n int) ingest.MinedRelay) {
	t.Helper()
	for n := from; n < to; n++ {
		relay := relayOf(n)
		if err := s.Publish(context.Background(), relay); err != nil {
			t.Fatal(err)
		}
		if all[relay.Key()] == nil {
			all[relay.Key()] = make(map[string]bool)
		}
		all[relay.Key()][string(relay.Relay)] = true
	}
}

// With thousands of sessions in doubt a look tells of all that it did not tell yet, and
// again of those that have waited longest. The last one tells all.
func TestTellingIsBounded(t *testing.T) {
	const sessions = tellAgain + 200
	ctx, s := context.Background(), startServer(t)
	r := newRig(t, single(s), Options{})
	spool, err := Open(r.publisher, r.rdb, testKeys(), Options{}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		for n := range sessions {
			if err := spool.Publish(ctx, relayOf(fmt.Sprint("session", n), n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	told := func() (sum uint64) {
		for n := range sessions {
			n, err := ingest.Told(ctx, r.rdb, testKeys(), relayOf(fmt.Sprint("session", n), n).Key())
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		return sum
	}
	publish()
	spool.watch(ctx)
	if got := told(); got != 0 {
		t.Errorf("%d relays told of, in sessions without a doubt", got)
	}
	for n := range testKeys().Partitions() {
		spool.doubt(n)
	}
	for look, want := range []uint64{sessions, sessions + tellAgain, 2*sessions + tellAgain, 3 * sessions, 3 * sessions} {
		spool.watch(ctx)
		if got := told(); got != want {
			t.Errorf("look %d: %d relays told of, want %d", look, got, want)
		}
		if look < 2 {
			publish()
		}
	}
	publish()
	spool.tell(ctx, math.MaxInt)
	if got := told(); got != 4*sessions {
		t.Errorf("at last %d relays told of, want %d", got, 4*sessions)
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
// how many are missing, which has to be the difference, and whether they are all that a
// session had.
func (r *rig) seal(published relays) (missing int, whole bool) {
	r.t.Helper()
	ctx := context.Background()
	for key, all := range published {
		eventually(r.t, "the miner is told of every relay", func() bool {
			told, err := ingest.Told(ctx, r.rdb, testKeys(), key)
			return err == nil && told == uint64(len(all))
		})
		head, err := r.owner.Seal(ctx, key)
		if errors.Is(err, ingest.ErrUnknownSession) {
			whole = true
		} else if err != nil {
			r.t.Fatal(err)
		}
		r.isTreeOf(head, all)
		missing += len(all) - int(head.Count)
	}
	doubted, err := ingest.Doubted(ctx, r.rdb, testKeys())
	if err != nil || len(doubted) != len(published) {
		r.t.Errorf("sessions %v are in doubt (%v), want %d", doubted, err, len(published))
	}
	for _, ref := range doubted {
		if _, known := published[ref.Key()]; !known || ref.Service != "svc" || ref.EndHeight != 10 {
			r.t.Errorf("session %+v is in doubt", ref)
		}
	}
	return missing, whole
}

// isTreeOf compares a tree with one of the relays in it, which have to be of all.
func (r *rig) isTreeOf(head ingest.Head, all map[string]bool) {
	r.t.Helper()
	if head.Count == 0 {
		return
	}
	reference := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	leaves := make(map[string]bool)
	for relay, err := range ingest.Leaves(context.Background(), r.rdb, testKeys(), head.Ref.Key(), head.Weight) {
		if err != nil {
			r.t.Fatal(err)
		}
		if leaves[string(relay)] {
			continue
		}
		leaves[string(relay)] = true
		if !all[string(relay)] {
			r.t.Errorf("%s has a relay that nobody published", head.Ref.SessionID)
		}
		path := sha256.Sum256(relay)
		if err := reference.Update(path[:], relay, head.Weight); err != nil {
			r.t.Fatal(err)
		}
	}
	if !bytes.Equal(head.Root, reference.Root()) || head.Count != uint64(len(leaves)) {
		r.t.Errorf("%s: a tree of %d relays has %d leaves, and another root", head.Ref.SessionID, head.Count, len(leaves))
	}
}
