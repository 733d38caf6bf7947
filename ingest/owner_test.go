package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/raftminer/raftminer/chain"
)

func TestSealedTreeHoldsExactlyWhatWasPublished(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	var relays []MinedRelay
	for n := range 1000 {
		relays = append(relays, testRelay(t, testRef(1), n))
	}
	publish(t, p, relays...)
	o := testOwner(t, rdb, 1)
	consumeAll(t, o)
	head, err := o.Seal(ctx, testRef(1).Key())
	if err != nil {
		t.Fatal(err)
	}
	if want := reference(t, relays); !bytes.Equal(head.Root, want) {
		t.Errorf("got root %x, want %x", head.Root, want)
	}
	if head.Count != uint64(len(relays)) || head.Sum != head.Count*testWeight || head.Ref != testRef(1) || !head.Sealed {
		t.Errorf("got head %+v", head)
	}
	if _, err := o.Prove(ctx, head.Ref.Key(), make([]byte, 32)); err != nil {
		t.Errorf("prove: %v", err)
	}
}

// Whatever order relays come in, however often, and however owners follow one
// another, the root is the one of the set.
func TestRootIsTheOneOfTheSet(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	rapid.Check(t, func(t *rapid.T) {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		epoch := 1
		var o *Owner
		acquire := func() {
			var err error
			if o, err = Acquire(ctx, rdb, testKeys(), epochName(epoch), fmt.Sprint(epoch), testOptions()); err != nil {
				t.Fatal(err)
			}
			epoch++
		}
		acquire()
		published := make(map[chain.SessionKey][]MinedRelay)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				ref := testRef(rapid.IntRange(0, 5).Draw(t, "session"))
				r := relayOf(ref, rapid.IntRange(0, 40).Draw(t, "relay"))
				if err := p.Publish(ctx, r); err != nil {
					t.Fatal(err)
				}
				published[ref.Key()] = append(published[ref.Key()], r)
			case 2:
				if _, err := o.read(ctx, o.parts); err != nil {
					t.Fatal(err)
				}
			case 3:
				if err := o.flushDue(ctx, o.parts, true); err != nil {
					t.Fatal(err)
				}
			case 4: // the owner dies with whatever it has in memory
				acquire()
			}
		}
		for _, key := range sortedSessions(published) {
			head, err := o.Seal(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			if want := reference(t, published[key]); !bytes.Equal(head.Root, want) {
				t.Fatalf("session %v: got root %x, want %x", key, head.Root, want)
			}
		}
	})
}

// A relay is acknowledged exactly if it is in the sealed tree.
func TestPublishAgainstSeal(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	ref := testRef(1)
	publish(t, p, testRelay(t, ref, 1_000_000))
	o := testOwner(t, rdb, 1)
	consumeAll(t, o)

	var mu sync.Mutex
	acknowledged := []MinedRelay{testRelay(t, ref, 1_000_000)}
	refused, half := 0, make(chan struct{})
	var publishers sync.WaitGroup
	for worker := range 8 {
		publishers.Add(1)
		go func() {
			defer publishers.Done()
			for n := range 300 {
				r := testRelay(t, ref, worker*1000+n)
				err := p.Publish(ctx, r)
				mu.Lock()
				switch {
				case err == nil:
					acknowledged = append(acknowledged, r)
					if len(acknowledged) == 1000 {
						close(half)
					}
				case errors.Is(err, ErrSessionClosed):
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		}()
	}
	<-half
	head, err := o.Seal(ctx, ref.Key())
	if err != nil {
		t.Fatal(err)
	}
	publishers.Wait()
	if want := reference(t, acknowledged); !bytes.Equal(head.Root, want) {
		t.Errorf("%d relays acknowledged and %d refused, the sealed tree holds %d", len(acknowledged), refused, head.Count)
	}
	again, err := o.Seal(ctx, ref.Key())
	if err != nil || !bytes.Equal(again.Root, head.Root) {
		t.Errorf("sealing again gave %x, %v", again.Root, err)
	}
}

// The loser of two owners changes nothing.
func TestAnOldOwnerWritesNothing(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	sealed, open := testRef(1), testRef(3)
	publish(t, p, testRelay(t, sealed, 1), testRelay(t, open, 1))
	reg := prometheus.NewRegistry()
	opts := testOptions()
	opts.Metrics = NewMetrics(reg)
	old, err := Acquire(ctx, rdb, testKeys(), epochName(1), "old", opts)
	if err != nil {
		t.Fatal(err)
	}
	consumeAll(t, old)
	publish(t, p, testRelay(t, open, 2))
	if _, err := old.read(ctx, old.parts); err != nil {
		t.Fatal(err)
	}

	testOwner(t, rdb, 2)
	before := dump(t, rdb)
	attempts := map[string]func() error{
		"flush":    func() error { return old.flushDue(ctx, old.parts, true) },
		"seal":     func() error { _, err := old.Seal(ctx, sealed.Key()); return err },
		"forget":   func() error { return old.Forget(ctx, sealed.Key()) },
		"trim":     func() error { return old.Trim(ctx, old.Mark()) },
		"archived": func() error { return old.Archived(ctx, []chain.SessionKey{sealed.Key()}) },
		"restore":  func() error { return old.Restore(ctx, []Known{{Ref: sealed, Sealed: true, Root: []byte("root")}}) },
		"want": func() error {
			p := old.partitionOf(sealed.Key())
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.want(ctx, Known{Ref: sealed, Sealed: true, Root: []byte("root")})
		},
	}
	for name, attempt := range attempts {
		if err := attempt(); !errors.Is(err, ErrFenced) {
			t.Errorf("%s: got %v, want %v", name, err, ErrFenced)
		}
	}
	if _, err := Acquire(ctx, rdb, testKeys(), epochName(2), "same epoch", opts); !errors.Is(err, ErrFenced) {
		t.Errorf("another owner of the epoch: got %v, want %v", err, ErrFenced)
	}
	if changed := changedKeys(before, dump(t, rdb)); len(changed) > 0 {
		t.Errorf("the old owner changed %q", changed)
	}
	if got := testutil.ToFloat64(opts.Metrics.fenced); got < 5 {
		t.Errorf("%v fenced writes counted, want at least 5", got)
	}
}

func TestAFencedOwnerLetsGo(t *testing.T) {
	rdb := startRedis(t)
	p := newTestPublisher(t, rdb)
	old := testOwner(t, rdb, 1)
	runOwner(t, old)
	testOwner(t, rdb, 2)
	lost := testKeys().Partition(testRef(1).Key())
	publish(t, p, testRelay(t, testRef(1), 1))
	eventually(t, "the partition is let go", func() bool { _, held := old.Held()[lost]; return !held })
}

// A tree that cannot be read holds up its own partition only, and Redis being
// emptied under an owner makes it let go: the fence is gone with the rest.
func TestTroubleStaysWhereItIs(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	bad, good := testRef(0), testRef(1)
	for n := 1; testKeys().Partition(good.Key()) == testKeys().Partition(bad.Key()); n++ {
		good = testRef(n)
	}
	publish(t, p, testRelay(t, bad, 1), testRelay(t, good, 1))
	consumeAll(t, testOwner(t, rdb, 1))
	if err := rdb.Set(ctx, testKeys().Nodes(bad.Key()), "not a hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	o := testOwner(t, rdb, 2)
	runOwner(t, o)
	publish(t, p, testRelay(t, bad, 2), testRelay(t, good, 2))
	counts := func() map[chain.SessionKey]uint64 {
		m := make(map[chain.SessionKey]uint64)
		for _, h := range o.Heads() {
			m[h.Ref.Key()] = h.Count
		}
		return m
	}
	eventually(t, "the good session grows", func() bool { return counts()[good.Key()] == 2 })
	if got := counts()[bad.Key()]; got != 1 {
		t.Errorf("unreadable tree: got %d relays, want the 1 that is stored", got)
	}
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, p, testRelay(t, good, 3))
	lost := testKeys().Partition(good.Key())
	eventually(t, "the partition is let go", func() bool { _, held := o.Held()[lost]; return !held })
	if o.Calm(good.Key(), time.Minute) {
		t.Error("an owner whose Redis was emptied is calm")
	}
}

// What held an owner up is over when it works again, not when it failed last: it
// pauses in between, and relayers bring what they took meanwhile.
func TestTroubleLastsUntilItIsOver(t *testing.T) {
	port := freePort(t)
	server := runServer(t, port)
	rdb := redis.NewClient(&redis.Options{Addr: address(port)})
	defer rdb.Close()
	o := testOwner(t, rdb, 1)
	runOwner(t, o)
	_ = server.Process.Kill()
	_ = server.Wait()
	key := testRef(1).Key()
	trouble := &o.partitionOf(key).trouble
	eventually(t, "redis is missed", func() bool { return !o.Calm(key, time.Hour) })
	missed := *trouble.Load()
	eventually(t, "it is missed again, and the pauses are long", func() bool { return trouble.Load().Sub(missed) > readPauseMost })
	back := time.Now()
	runServer(t, port)
	eventually(t, "the trouble is over after redis came back, not before", func() bool { return trouble.Load().After(back) })
}

func TestForgetAndTrimLeaveNothingBehind(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	for n := range 4 {
		publish(t, p, testRelay(t, testRef(n), 1), testRelay(t, testRef(n), 2))
	}
	consumeAll(t, o)
	for n := range 4 {
		if err := rdb.HSet(ctx, testKeys().Meter(testRef(n).Key()), "budget", 1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := Tell(ctx, rdb, testKeys(), "relayer", []Published{{Ref: testRef(n), Relays: 2}}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Seal(ctx, testRef(n).Key()); err != nil {
			t.Fatal(err)
		}
		if err := o.Forget(ctx, testRef(n).Key()); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Trim(ctx, o.Mark()); err != nil {
		t.Fatal(err)
	}
	for key := range dump(t, rdb) {
		kind := key[strings.LastIndex(key, ":")+1:]
		if !slices.Contains([]string{"meta", "closed", "relays"}, kind) {
			t.Errorf("key %s is left", key)
		}
		if kind == "relays" {
			if n := rdb.XLen(ctx, key).Val(); n != 0 {
				t.Errorf("stream %s still has %d entries", key, n)
			}
		}
	}
	if err := p.Publish(ctx, testRelay(t, testRef(1), 9)); !errors.Is(err, ErrSessionClosed) {
		t.Errorf("publish for a forgotten session: got %v, want %v", err, ErrSessionClosed)
	}
	if err := o.Forget(ctx, testRef(1).Key()); err != nil {
		t.Errorf("forget again: %v", err)
	}
}

// A seal that finds Redis emptied waits with the others for what relayers have to say.
func TestSealInAnEmptiedRedisIsTrouble(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	relay := testRelay(t, testRef(1), 1)
	publish(t, p, relay)
	consumeAll(t, o)
	if !o.Calm(relay.Key(), time.Hour) {
		t.Error("an owner without trouble is not calm")
	}
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Seal(ctx, relay.Key()); !errors.Is(err, ErrFenced) {
		t.Errorf("seal in an emptied redis: got %v, want %v", err, ErrFenced)
	}
	if o.Calm(relay.Key(), time.Minute) {
		t.Error("an owner whose redis was emptied is calm")
	}
}

// Trees that do not fit into memory are read again when relays come.
func TestTreesGrowWithoutMemory(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	published := make(map[chain.SessionKey][]MinedRelay)
	for round := range 5 {
		for session := range 6 {
			for n := range 20 {
				r := testRelay(t, testRef(session), round*15+n) // the rounds overlap
				publish(t, p, r)
				published[r.Key()] = append(published[r.Key()], r)
			}
		}
		consumeAll(t, o)
		o.shed(0)
		if _, held := o.residents(); held > 6*1024 {
			t.Errorf("%d bytes held after shedding everything", held)
		}
	}
	for _, key := range sortedSessions(published) {
		head, err := o.Seal(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, published[key]); !bytes.Equal(head.Root, want) {
			t.Errorf("session %v: got root %x, want %x", key, head.Root, want)
		}
	}
	if got := testutil.ToFloat64(o.metrics.shed); got == 0 {
		t.Error("no tree was counted as shed")
	}
}

// What does not belong into a tree is skipped, and does not stop what follows.
func TestForeignEntriesStayOut(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	good := testRelay(t, testRef(1), 1)
	heavier := testRelay(t, testRef(1), 2)
	heavier.ComputeUnits++
	elsewhere := testRef(1)
	elsewhere.StartHeight++
	malformed := MinedRelay{Supplier: good.Supplier, SessionID: good.SessionID, ComputeUnits: testWeight, Relay: []byte("no relay")}
	astray := testRelay(t, testRef(2), 5)
	for n := 3; testKeys().Partition(astray.Key()) == testKeys().Partition(good.Key()); n++ {
		astray = testRelay(t, testRef(n), 5)
	}
	astray.Supplier, astray.SessionID = good.Supplier, good.SessionID
	last := testRelay(t, testRef(1), 4)
	publish(t, p, good, heavier, testRelay(t, elsewhere, 3), malformed, astray, last)
	o := testOwner(t, rdb, 1)
	consumeAll(t, o)
	head, err := o.Seal(ctx, testRef(1).Key())
	if err != nil {
		t.Fatal(err)
	}
	if want := reference(t, []MinedRelay{good, last}); !bytes.Equal(head.Root, want) {
		t.Errorf("got a tree of %d relays, want the two good ones", head.Count)
	}
	for result, want := range map[string]float64{resultForeign: 3, resultMalformed: 1, resultAdded: 2} {
		if got := testutil.ToFloat64(o.metrics.consumed.WithLabelValues(result)); got != want {
			t.Errorf("%s: counted %v, want %v", result, got, want)
		}
	}
}

func TestFullRedisRefusesTheWholeFlush(t *testing.T) {
	for name, opts := range map[string]Options{"in its script": testOptions(), "in stages": stagedOptions()} {
		t.Run(name, func(t *testing.T) { testFullRedisRefusesTheWholeFlush(t, opts) })
	}
}

func testFullRedisRefusesTheWholeFlush(t *testing.T, opts Options) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	publish(t, p, testRelay(t, testRef(1), 1))
	o, err := Acquire(ctx, rdb, testKeys(), epochName(1), "owner", opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.read(ctx, o.parts); err != nil {
		t.Fatal(err)
	}
	before := dump(t, rdb)
	if err := rdb.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := o.flushDue(ctx, o.parts, true); !errors.Is(err, ErrStoreFull) {
		t.Errorf("flush: got %v, want %v", err, ErrStoreFull)
	}
	if err := p.Publish(ctx, testRelay(t, testRef(1), 2)); !errors.Is(err, ErrStoreFull) {
		t.Errorf("publish: got %v, want %v", err, ErrStoreFull)
	}
	if err := rdb.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if changed := changedKeys(before, dump(t, rdb)); len(changed) > 0 {
		t.Errorf("the refused flush changed %q", changed)
	}
	if head, err := o.Seal(ctx, testRef(1).Key()); err != nil || head.Count != 1 {
		t.Errorf("after the refusal: got %d relays, %v, want 1", head.Count, err)
	}
}

// A full Redis can still be taken over, its stored trees sealed, and room made.
func TestFullRedisCanBeTakenOverAndEmptied(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	publish(t, p, testRelay(t, testRef(1), 1))
	consumeAll(t, testOwner(t, rdb, 1))
	if err := rdb.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	o := testOwner(t, rdb, 2)
	head, err := o.Seal(ctx, testRef(1).Key())
	if err != nil || head.Count != 1 {
		t.Fatalf("seal: got %d relays, %v, want 1", head.Count, err)
	}
	if err := o.Trim(ctx, o.Mark()); err != nil {
		t.Errorf("trim: %v", err)
	}
	if err := o.Forget(ctx, testRef(1).Key()); err != nil {
		t.Errorf("forget: %v", err)
	}
	if n := rdb.Exists(ctx, testKeys().Nodes(testRef(1).Key())).Val(); n != 0 {
		t.Error("the forgotten session's nodes are still there")
	}
}

func TestLostScriptsAreLoadedAgain(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	publish(t, p, testRelay(t, testRef(1), 1))
	if err := rdb.ScriptFlush(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, p, testRelay(t, testRef(1), 2))
	consumeAll(t, o)
	if head, err := o.Seal(ctx, testRef(1).Key()); err != nil || head.Count != 2 {
		t.Errorf("got %d relays, %v, want 2", head.Count, err)
	}
}

func TestPartitionCountIsFixed(t *testing.T) {
	rdb := startRedis(t)
	testOwner(t, rdb, 1)
	keys := NewKeys("test", "chain", "cluster", testPartitions+1)
	if _, err := Acquire(context.Background(), rdb, keys, epochName(2), "o", testOptions()); !errors.Is(err, ErrPartitions) {
		t.Errorf("got %v, want %v", err, ErrPartitions)
	}
}

// The devnet falls back on miniredis where no redis-server is installed.
func TestScriptsRunOnMiniredis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer rdb.Close()
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	var relays []MinedRelay
	for n := range 50 {
		relays = append(relays, testRelay(t, testRef(1), n), testRelay(t, testRef(1), n/2))
	}
	publish(t, p, relays...)
	consumeAll(t, o)
	head, err := o.Seal(ctx, testRef(1).Key())
	if err != nil {
		t.Fatal(err)
	}
	if want := reference(t, relays); !bytes.Equal(head.Root, want) {
		t.Errorf("got root %x of %d relays, want %x", head.Root, head.Count, want)
	}
	if err := p.Publish(ctx, testRelay(t, testRef(1), 999)); !errors.Is(err, ErrSessionClosed) {
		t.Errorf("publish after the seal: got %v, want %v", err, ErrSessionClosed)
	}
	if err := errors.Join(o.Trim(ctx, o.Mark()), o.Forget(ctx, testRef(1).Key())); err != nil {
		t.Error(err)
	}
}

// Every call that Close overtakes gets an answer.
func TestCloseDuringPublish(t *testing.T) {
	rdb := startRedis(t)
	p := NewPublisher(rdb, testKeys(), prometheus.NewRegistry(), zap.NewNop())
	var publishers sync.WaitGroup
	started := make(chan struct{})
	for worker := range 16 {
		publishers.Go(func() {
			for n := 0; ; n++ {
				err := p.Publish(context.Background(), testRelay(t, testRef(worker), n))
				if n == 0 && worker == 0 {
					close(started)
				}
				if errors.Is(err, ErrPublisherClosed) {
					return
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	<-started
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	publishers.Wait()
}

// A failover's read-only moment is waited out.
func TestPublishOutlastsReadOnly(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	publish(t, p, testRelay(t, testRef(1), 1))
	if err := rdb.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := p.Publish(short, testRelay(t, testRef(1), 2)); !errors.Is(err, ErrReadOnly) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a refusal", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Publish(ctx, testRelay(t, testRef(1), 3)) }()
	if err := rdb.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after the failover: %v", err)
	}
}

func TestPublishAfterClose(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer rdb.Close()
	p := NewPublisher(rdb, testKeys(), prometheus.NewRegistry(), zap.NewNop())
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(context.Background(), testRelay(t, testRef(1), 1)); !errors.Is(err, ErrPublisherClosed) {
		t.Errorf("got %v, want %v", err, ErrPublisherClosed)
	}
}
