package ingest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/ingest/redistest"
)

func freePort(t testing.TB) int {
	t.Helper()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

// runServer starts redis-server with a configuration of its own.
func runServer(t *testing.T, port int, lines ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: scripts/deps.sh installs it")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "redis.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\n", port, dir)
	args := []string{conf}
	for _, line := range lines {
		if line == "--sentinel" {
			args = append(args, line)
			continue
		}
		text += line + "\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	probe := redis.NewClient(&redis.Options{Addr: address(port)})
	defer probe.Close()
	eventually(t, "server answers", func() bool { return probe.Ping(context.Background()).Err() == nil })
	return cmd
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// publishMany publishes n relays in each of four sessions.
func publishMany(t *testing.T, p *Publisher, from, n int, all map[chain.SessionKey][]MinedRelay) {
	t.Helper()
	for session := range 4 {
		for i := from; i < from+n; i++ {
			r := testRelay(t, testRef(session), i)
			publish(t, p, r)
			all[r.Key()] = append(all[r.Key()], r)
		}
	}
}

func sealAll(t *testing.T, o *Owner, all map[chain.SessionKey][]MinedRelay) {
	t.Helper()
	ctx := context.Background()
	for _, key := range sortedSessions(all) {
		head, err := o.Seal(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, all[key]); !bytes.Equal(head.Root, want) {
			t.Errorf("session %v: tree of %d relays, want the %d published", key, head.Count, len(all[key]))
		}
		if _, err := o.Prove(ctx, key, make([]byte, 32)); err != nil {
			t.Error(err)
		}
	}
}

// startCluster runs three masters, and returns their processes by address.
func startCluster(t *testing.T, lines ...string) (*redis.ClusterClient, map[string]*exec.Cmd) {
	t.Helper()
	masters := make(map[string]*exec.Cmd)
	var addrs []string
	for range 3 {
		port := freePort(t)
		// Without a port of its own the bus takes one that systems give to outgoing connections.
		own := append([]string{"cluster-enabled yes", fmt.Sprintf("cluster-port %d", freePort(t)), "cluster-node-timeout 2000", "save \"\""}, lines...)
		masters[address(port)] = runServer(t, port, own...)
		addrs = append(addrs, address(port))
	}
	return redistest.Cluster(t, addrs...), masters
}

func TestRedisCluster(t *testing.T) {
	rdb, _ := startCluster(t)
	ctx := context.Background()
	p, all := newTestPublisher(t, rdb), make(map[chain.SessionKey][]MinedRelay)
	old := testOwner(t, rdb, 1)
	stop := runOwner(t, old)
	publishMany(t, p, 0, 100, all)
	eventually(t, "relays are in trees", func() bool { return len(old.Heads()) == 4 })
	// The next one writes in stages, and asks for replicas that are not there: its
	// writes go to one server with the question, and stand.
	opts := stagedOptions()
	opts.Replicas, opts.ReplicaWait = 1, time.Millisecond
	o, err := Acquire(ctx, rdb, testKeys(), epochName(2), "owner-2", opts)
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, p, 100, 100, all)
	lost := testKeys().Partition(sortedSessions(all)[0])
	eventually(t, "the old owner lets go", func() bool { _, held := old.Held()[lost]; return !held })
	stop()
	sealAll(t, o, all)
	if err := o.Trim(ctx, o.Mark()); err != nil {
		t.Error(err)
	}
	for _, key := range sortedSessions(all) {
		if err := o.Forget(ctx, key); err != nil {
			t.Error(err)
		}
	}
	if warnings, err := Check(ctx, rdb); err != nil || !slices.ContainsFunc(warnings, func(w Warning) bool { return w.Name == WarnPersistence }) {
		t.Errorf("check of the cluster: got %+v, %v", warnings, err)
	}
}

// A master that hangs does not hold up relays and seals of the others, nor do the tries to
// take its partitions over again.
func TestAHungMasterHoldsUpItsPartitionsOnly(t *testing.T) {
	rdb, masters := startCluster(t, "cluster-require-full-coverage no")
	ctx := context.Background()
	p, all := newTestPublisher(t, rdb), make(map[chain.SessionKey][]MinedRelay)
	o := testOwner(t, rdb, 1)
	runOwner(t, o)
	publishMany(t, p, 0, 50, all)
	eventually(t, "relays are in trees", func() bool { return len(o.Heads()) == 4 })
	master := func(key chain.SessionKey) string {
		node, err := rdb.MasterForKey(ctx, testKeys().Nodes(key))
		if err != nil {
			t.Fatal(err)
		}
		return node.Options().Addr
	}
	keys, refs := sortedSessions(all), make(map[chain.SessionKey]chain.SessionRef)
	for n := range 4 {
		refs[testRef(n).Key()] = testRef(n)
	}
	dead := master(keys[0])
	var lost, left []chain.SessionKey
	for _, key := range keys {
		if master(key) == dead {
			lost = append(lost, key)
		} else {
			left = append(left, key)
		}
	}
	if len(left) == 0 {
		t.Fatal("all sessions are on one master")
	}
	if err := masters[dead].Process.Signal(syscall.SIGSTOP); err != nil { // a dead one refuses at once, this is worse
		t.Fatal(err)
	}
	for _, key := range lost {
		eventually(t, "its master is missed", func() bool { return !o.Calm(key, time.Hour) })
	}
	waits, giveUp := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	var answered atomic.Int64
	defer waiting.Wait()
	defer giveUp()
	for n := range 2 * publishWriters {
		waiting.Go(func() {
			_ = p.Publish(waits, testRelay(t, refs[lost[0]], 100+n))
			answered.Add(1)
		})
	}
	for _, key := range left {
		for n := range 50 {
			relay := testRelay(t, refs[key], 100+n)
			soon, cancel := context.WithTimeout(ctx, publishTimeout/2) // while others wait for the hung one
			if err := p.Publish(soon, relay); err != nil {
				t.Fatal(err)
			}
			cancel()
			all[key] = append(all[key], relay)
		}
	}
	if answered.Load() > 0 {
		t.Error("relays for the hung master have an answer")
	}
	gone := testKeys().Partition(lost[0])
	if err := o.Take(ctx, fenced(epochName(2), gone)); err == nil {
		t.Error("a partition without a master was taken")
	}
	for _, key := range left {
		if !o.Calm(key, time.Hour) {
			t.Errorf("session %s waits for a master that it does not need", key.SessionID)
		}
		if head, err := o.Seal(ctx, key); err != nil || !bytes.Equal(head.Root, reference(t, all[key])) {
			t.Errorf("seal %s: %+v, %v", key.SessionID, head, err)
		}
	}
}

func TestSentinelFailover(t *testing.T) {
	master, replica, sentinel := freePort(t), freePort(t), freePort(t)
	first := runServer(t, master, "save \"\"")
	runServer(t, replica, "save \"\"", fmt.Sprintf("replicaof 127.0.0.1 %d", master))
	runServer(t, sentinel, "--sentinel",
		fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1", master),
		"sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 3000")
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "main", SentinelAddrs: []string{address(sentinel)}})
	defer rdb.Close()
	ctx := context.Background()
	eventually(t, "replica is known", func() bool {
		return rdb.Do(ctx, "WAIT", 1, 100).Val() == int64(1) && hasReplicas(ctx, rdb) && sentinelSeesReplica(ctx, sentinel)
	})

	p, all := newTestPublisher(t, rdb), make(map[chain.SessionKey][]MinedRelay)
	o, err := Acquire(ctx, rdb, testKeys(), epochName(1), "owner", stagedOptions())
	if err != nil {
		t.Fatal(err)
	}
	runOwner(t, o)
	publishMany(t, p, 0, 50, all)
	eventually(t, "replica has everything", func() bool { return caughtUp(ctx, master, replica) })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Publishers and the owner go on as soon as the replica is the master.
	publishMany(t, p, 50, 50, all)
	sealAll(t, o, all)
}

func sentinelSeesReplica(ctx context.Context, port int) bool {
	s := redis.NewSentinelClient(&redis.Options{Addr: address(port)})
	defer s.Close()
	replicas, err := s.Replicas(ctx, "main").Result()
	return err == nil && len(replicas) == 1
}

func caughtUp(ctx context.Context, master, replica int) bool {
	offset := func(port int, field string) string {
		rdb := redis.NewClient(&redis.Options{Addr: address(port)})
		defer rdb.Close()
		return infoFields(rdb.Info(ctx, "replication").Val())[field]
	}
	want := offset(master, "master_repl_offset")
	return want != "" && want == offset(replica, "slave_repl_offset")
}
