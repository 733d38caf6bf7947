package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/ingest"
)

const testSessions = 5

func testKeys() ingest.Keys { return ingest.NewKeys("test", "chain", "cluster", 4) }

// testRelay is one of as many sessions, in turns.
func testRelay(n int) ingest.MinedRelay { return relayOf(fmt.Sprintf("session%d", n%testSessions), n) }

func relayOf(session string, n int) ingest.MinedRelay {
	ref := chain.SessionRef{
		Supplier: "supplier", SessionID: session,
		Service: "svc", Application: "app", StartHeight: 1, EndHeight: 10,
	}
	relay := servicetypes.Relay{
		Req: &servicetypes.RelayRequest{
			Meta:    servicetypes.RelayRequestMetadata{SessionHeader: ref.Header(), SupplierOperatorAddress: ref.Supplier, Signature: []byte("signature")},
			Payload: fmt.Appendf(nil, "request %08d", n),
		},
		Res: &servicetypes.RelayResponse{Meta: servicetypes.RelayResponseMetadata{SessionHeader: ref.Header()}},
	}
	bz, err := relay.Marshal()
	if err != nil {
		panic(err)
	}
	return ingest.MinedRelay{Supplier: ref.Supplier, SessionID: ref.SessionID, ComputeUnits: 100, Relay: bz}
}

// server is a redis-server that can be killed and started again on its port.
type server struct {
	t    *testing.T
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
}

func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, port: ports[0], dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *server) start() {
	s.t.Helper()
	if len(s.args) > 0 && s.args[0] == "sentinel" {
		path := s.dir + "/sentinel.conf"
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\n%s", s.port, s.dir, s.args[1])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.cmd = exec.Command("redis-server", path, "--sentinel")
	} else {
		s.cmd = exec.Command("redis-server", append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--dir", s.dir}, s.args...)...)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: s.addr()})
	defer rdb.Close()
	eventually(s.t, "redis-server answers", func() bool { return rdb.Ping(context.Background()).Err() == nil })
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(40 * time.Second); !holds(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// rig is a relayer with a spool, and a miner.
type rig struct {
	t         *testing.T
	rdb       redis.UniversalClient
	publisher *ingest.Publisher
	spool     *Spool
	epoch     int
	owner     *ingest.Owner
	stop      func()
}

func newRig(t *testing.T, rdb redis.UniversalClient, opts Options) *rig {
	t.Helper()
	publisher := ingest.NewPublisher(rdb, testKeys(), prometheus.NewRegistry(), zap.NewNop())
	r := &rig{t: t, rdb: rdb, publisher: publisher, stop: func() {}}
	t.Cleanup(func() {
		r.stop()
		_ = publisher.Close()
		_ = rdb.Close()
	})
	r.spool = r.relayer(opts)
	return r
}

// relayer is the spool of one that has had its first look.
func (r *rig) relayer(opts Options) *Spool {
	r.t.Helper()
	s, err := Open(r.publisher, r.rdb, testKeys(), opts, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		<-ended
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
	eventually(r.t, "the first look", func() bool { return s.looks.Load() > 0 })
	return s
}

// lead makes the next epoch's owner.
func (r *rig) lead() {
	r.t.Helper()
	r.stop()
	r.epoch++
	eventually(r.t, "partitions are acquired", func() bool {
		var err error
		r.owner, err = ingest.Acquire(context.Background(), r.rdb, testKeys(), fmt.Sprintf("000001.%012d", r.epoch), "owner", ingest.Options{
			FlushInterval: 20 * time.Millisecond, FlushRelays: 64, Metrics: ingest.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
		})
		return err == nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func(o *ingest.Owner) { defer close(ended); o.Run(ctx) }(r.owner)
	r.stop = func() { cancel(); <-ended; r.stop = func() {} }
}

func (r *rig) publish(from, to int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		if err := r.spool.Publish(context.Background(), testRelay(n)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// stored counts the relays in stored trees.
func (r *rig) stored() (n int) {
	for _, h := range r.owner.Heads() {
		n += int(h.Count)
	}
	return n
}

func (r *rig) holds(want int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d relays are in trees", want), func() bool { return r.stored() == want })
}

func single(s *server) redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: s.addr()}) }

// Redis dies and comes back with what it kept: all of it, or nothing. The relays
// come out of the spool again, and every one is in its tree once.
func TestRedisRestarts(t *testing.T) {
	for name, args := range map[string][]string{
		"append-only file": {"--appendonly", "yes"},
		"no persistence":   {"--appendonly", "no"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, args...)
			r := newRig(t, single(s), Options{MaxBytes: 1 << 20})
			r.lead()
			r.publish(0, 300)
			r.holds(300)
			s.kill()
			s.start()
			r.lead()
			r.publish(300, 400)
			r.holds(400)
			eventually(t, "the restart is noticed", func() bool { return testutil.ToFloat64(r.spool.metrics.changes) > 0 })
			r.holds(400)
		})
	}
}

// What the spool had no room for is lost with Redis, and was counted: exactly.
func TestLossIsCounted(t *testing.T) {
	s := startServer(t)
	size := (&entry{relay: testRelay(0)}).size()
	r := newRig(t, single(s), Options{MaxBytes: 100 * size})
	r.lead()
	r.publish(0, 260)
	r.holds(260)
	shed := testutil.ToFloat64(r.spool.metrics.shed.WithLabelValues("stored")) + testutil.ToFloat64(r.spool.metrics.shed.WithLabelValues("not_stored"))
	if shed != 160 {
		t.Fatalf("%v relays were shed, want 160", shed)
	}
	s.kill()
	s.start()
	r.lead()
	r.holds(100)
}

// An emptied Redis is noticed although it is the same process.
func TestFlushedRedis(t *testing.T) {
	s := startServer(t)
	r := newRig(t, single(s), Options{MaxBytes: 1 << 20})
	r.lead()
	r.publish(0, 50)
	r.holds(50)
	before := r.spool.looks.Load()
	eventually(t, "a look at what is there", func() bool { return r.spool.looks.Load() > before })
	if err := r.rdb.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	r.lead()
	r.holds(50)
}

// A relayer and Redis die together: the spool's directory has the relays.
func TestSpoolOutlivesItsProcess(t *testing.T) {
	s := startServer(t)
	opts := Options{MaxBytes: 1 << 20, Dir: t.TempDir()}
	publisher := ingest.NewPublisher(single(s), testKeys(), prometheus.NewRegistry(), zap.NewNop())
	defer publisher.Close()
	dead, err := Open(publisher, single(s), testKeys(), opts, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 70 { // it never looks, and is never closed
		if err := dead.Publish(context.Background(), testRelay(n)); err != nil {
			t.Fatal(err)
		}
	}
	torn, err := os.OpenFile(dead.disk.current.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.Write([]byte{0, 0, 1, 0, 9}); err != nil {
		t.Fatal(err)
	}
	_ = torn.Close()
	s.kill()
	s.start()
	r := newRig(t, single(s), opts)
	r.lead()
	r.publish(70, 80)
	r.holds(80)
}

// Relays of sessions that the miners have archived are let go, in memory and on disk.
func TestArchivedSessionsLeave(t *testing.T) {
	s, ctx := startServer(t), context.Background()
	r := newRig(t, single(s), Options{MaxBytes: 1 << 20})
	r.lead()
	dir := t.TempDir()
	held, err := Open(r.publisher, r.rdb, testKeys(), Options{MaxBytes: 1 << 20, Dir: dir}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if err := held.Publish(ctx, testRelay(n)); err != nil {
			t.Fatal(err)
		}
	}
	r.holds(100)
	for n := range testSessions - 1 {
		if _, err := r.owner.Seal(ctx, testRelay(n).Key()); err != nil {
			t.Fatal(err)
		}
	}
	held.watch(ctx)
	if got := len(held.entries); got != 100 {
		t.Errorf("%d relays after the seal, want all 100: nobody has the trees but redis", got)
	}
	if err := r.owner.Archived(ctx, []chain.SessionKey{testRelay(0).Key(), testRelay(1).Key(), testRelay(2).Key()}); err != nil {
		t.Fatal(err)
	}
	if err := r.owner.Forget(ctx, testRelay(3).Key()); err != nil {
		t.Fatal(err)
	}
	held.watch(ctx)
	if got := len(held.entries); got != 20 {
		t.Errorf("%d relays after the archives, want the 20 of the open session", got)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	held.letGoOf([]chain.SessionKey{testRelay(4).Key()})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 || held.bytes != 0 {
		t.Errorf("%d files and %d bytes are left (%v)", len(files), held.bytes, err)
	}
}

// Redis loses everything between the seal of a session and its archive. Its relays
// come out of the spool once more, its tree has the sealed root again, and new ones
// stay out.
func TestSealedSessionOutlivesRedis(t *testing.T) {
	s, ctx := startServer(t), context.Background()
	r := newRig(t, single(s), Options{MaxBytes: 1 << 20, Dir: t.TempDir()})
	r.lead()
	r.publish(0, 60)
	r.holds(60)
	key := testRelay(0).Key()
	sealed, err := r.owner.Seal(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	s.kill()
	s.start()
	r.lead()
	known := []ingest.Known{{Ref: sealed.Ref, Sealed: true, Count: sealed.Count, Root: sealed.Root}}
	if err := r.owner.Reconcile(ctx, known); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sealed tree is back", func() bool {
		head, ok := headOf(r.owner, key)
		return ok && head.Sealed && bytes.Equal(head.Root, sealed.Root)
	})
	r.holds(60)
	if err := r.spool.Publish(ctx, testRelay(65)); !errors.Is(err, ingest.ErrSessionClosed) {
		t.Errorf("a new relay of the sealed session: got %v, want %v", err, ingest.ErrSessionClosed)
	}
}

func headOf(o *ingest.Owner, key chain.SessionKey) (ingest.Head, bool) {
	for _, h := range o.Heads() {
		if h.Ref.Key() == key {
			return h, true
		}
	}
	return ingest.Head{}, false
}

// While Redis is away a spool with a directory answers for it, as long as there
// is room, and every relay that it accepted is in a tree afterwards.
func TestRelaysAreAcceptedWhileRedisIsAway(t *testing.T) {
	s, ctx := startServer(t, "--appendonly", "yes", "--appendfsync", "always"), context.Background()
	size := (&entry{relay: testRelay(0)}).size()
	r := newRig(t, single(s), Options{MaxBytes: 60 * size, Dir: t.TempDir()})
	r.lead()
	r.publish(0, 40)
	r.holds(40)
	if _, err := r.owner.Seal(ctx, testRelay(0).Key()); err != nil {
		t.Fatal(err)
	}
	s.kill()
	r.publish(40, 100) // sheds the 40: the trees have them
	if err := r.spool.Publish(ctx, testRelay(100)); !errors.Is(err, ErrFull) {
		t.Errorf("more than the spool may hold: got %v, want %v", err, ErrFull)
	}
	if r.spool.Ready() == nil {
		t.Error("a full spool calls itself ready")
	}
	s.start()
	r.lead()
	r.holds(40 + 48)
	eventually(t, "the late ones are counted", func() bool { return testutil.ToFloat64(r.spool.metrics.late) == 12 })
	if got := testutil.ToFloat64(r.spool.metrics.pending); got != 0 || r.spool.Ready() != nil {
		t.Errorf("%v bytes still wait (%v)", got, r.spool.Ready())
	}
	if got := testutil.ToFloat64(r.spool.metrics.relays); got != 48 {
		t.Errorf("%v relays are kept, want the 48 that are in trees", got)
	}
	if got := testutil.ToFloat64(r.spool.metrics.accepted); got != 60 {
		t.Errorf("%v relays accepted, want 60", got)
	}
}
