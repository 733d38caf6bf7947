package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
)

// holder is an owner of no partition yet, running.
func holder(t *testing.T, rdb redis.UniversalClient, name string) *Owner {
	t.Helper()
	o := NewOwner(rdb, testKeys(), name, testOptions())
	runOwner(t, o)
	return o
}

// runOwner runs an owner until the test ends, or stop is called.
func runOwner(t *testing.T, o *Owner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { o.Run(ctx) })
	stop = func() { cancel(); run.Wait() }
	t.Cleanup(stop)
	return stop
}

func fenced(fence string, numbers ...int) map[int]string {
	fences := make(map[int]string)
	for _, n := range numbers {
		fences[n] = fence
	}
	return fences
}

// moved is the fence of the n-th change of hands in an epoch.
func moved(n int) string { return fmt.Sprintf("%s.%012d", epochName(1), n) }

// Partitions change hands all the time, some owners hear of it too late or never,
// and every tree is the one of what was published.
func TestPartitionsChangeHands(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	owners := []*Owner{holder(t, rdb, "a"), holder(t, rdb, "b"), holder(t, rdb, "c")}
	published := make(map[chain.SessionKey][]MinedRelay)
	var publishing sync.WaitGroup
	stop := make(chan struct{})
	publishing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			ref := testRef(n % 7)
			r := relayOf(ref, n/2) // with duplicates
			if err := p.Publish(ctx, r); err != nil {
				t.Error(err)
				return
			}
			published[ref.Key()] = append(published[ref.Key()], r)
		}
	})
	at := make(map[int]*Owner)
	for n := 1; n <= 120; n++ {
		numbers := []int{n % testPartitions}
		if n%5 == 0 {
			numbers = []int{0, 1, 2, 3}
		}
		next := owners[(n*7/3)%len(owners)]
		for _, number := range numbers {
			if last := at[number]; last != nil && last != next && n%3 == 0 { // two of three do not hear of it
				last.Drop(number)
			}
			at[number] = next
		}
		if err := next.Take(ctx, fenced(moved(n), numbers...)); err != nil {
			t.Fatalf("move %d: %v", n, err)
		}
		time.Sleep(time.Duration(n%4) * time.Millisecond) // some owners get to flush, others do not
	}
	close(stop)
	publishing.Wait()
	for _, key := range sortedSessions(published) {
		head, err := at[testKeys().Partition(key)].Seal(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, published[key]); !bytes.Equal(head.Root, want) {
			t.Errorf("session %v of %d relays: got root %x, want %x", key, len(published[key]), head.Root, want)
		}
	}
}

// An owner that was not told that its partition moved writes nothing to it, and goes
// on with what it kept.
func TestOwnersKeepToTheirPartitions(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	lost, kept := sessionIn(0), sessionIn(1)
	reg := testOptions()
	old := NewOwner(rdb, testKeys(), "old", reg)
	if err := old.Take(ctx, fenced(moved(1), 0, 1)); err != nil {
		t.Fatal(err)
	}
	publish(t, p, testRelay(t, lost, 1), testRelay(t, kept, 1))
	if _, err := old.read(ctx, old.parts[:2]); err != nil {
		t.Fatal(err)
	}
	next := NewOwner(rdb, testKeys(), "next", testOptions())
	if err := next.Take(ctx, fenced(moved(2), 0)); err != nil {
		t.Fatal(err)
	}
	before := dump(t, rdb)
	if err := old.flushDue(ctx, old.parts, true); !errors.Is(err, ErrFenced) {
		t.Errorf("flush: got %v, want %v", err, ErrFenced)
	}
	for _, key := range changedKeys(before, dump(t, rdb)) {
		if strings.Contains(key, "{p0}") {
			t.Errorf("%s was changed by the owner that lost it", key)
		}
	}
	if got, want := headCounts(old), map[chain.SessionKey]uint64{kept.Key(): 1}; !maps.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	reader := old.parts[0].reader
	if got := reader.left(); len(got) != 1 || got[0].number != 1 {
		t.Errorf("goes on with %d partitions, want partition 1 only", len(got))
	}
	for name, refused := range map[string]error{
		"seal":   func() error { _, err := old.Seal(ctx, lost.Key()); return err }(),
		"forget": old.Forget(ctx, lost.Key()),
	} {
		if !errors.Is(refused, ErrNotHeld) {
			t.Errorf("%s: got %v, want %v", name, refused, ErrNotHeld)
		}
	}
	consumeAll(t, next)
	if got, want := headCounts(next), map[chain.SessionKey]uint64{lost.Key(): 1}; !maps.Equal(got, want) {
		t.Errorf("taken over %v, want %v", got, want)
	}
}

// Of several partitions those that can be taken are, and the others are named.
func TestTakeWhatCanBeTaken(t *testing.T) {
	rdb, ctx := startRedis(t), context.Background()
	later := NewOwner(rdb, testKeys(), "later", testOptions())
	if err := later.Take(ctx, fenced(moved(5), 2)); err != nil {
		t.Fatal(err)
	}
	o := NewOwner(rdb, testKeys(), "o", testOptions())
	if err := o.Take(ctx, fenced(moved(4), 1, 2, 3)); !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "partition 2") {
		t.Errorf("got %v, want %v for partition 2", err, ErrFenced)
	}
	if got, want := o.Held(), fenced(moved(4), 1, 3); !maps.Equal(got, want) {
		t.Errorf("holds %v, want %v", got, want)
	}
	o.Drop(1)
	if got, want := o.Held(), fenced(moved(4), 3); !maps.Equal(got, want) {
		t.Errorf("holds %v after a drop, want %v", got, want)
	}
	if err := o.Take(ctx, fenced(moved(6), 99)); !errors.Is(err, ErrPartitions) {
		t.Errorf("a partition there is not: got %v, want %v", err, ErrPartitions)
	}
}

// sessionIn is a session of a partition.
func sessionIn(number int) chain.SessionRef {
	for n := 0; ; n++ {
		if ref := testRef(n); testKeys().Partition(ref.Key()) == number {
			return ref
		}
	}
}

func headCounts(o *Owner) map[chain.SessionKey]uint64 {
	counts := make(map[chain.SessionKey]uint64)
	for _, h := range o.Heads() {
		counts[h.Ref.Key()] = h.Count
	}
	return counts
}

// The readers of partitions that were dropped end.
func TestReadersEnd(t *testing.T) {
	rdb, ctx := startRedis(t), context.Background()
	o := holder(t, rdb, "o")
	for n := range 20 {
		if err := o.Take(ctx, fenced(moved(n+1), 0, 1, 2, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(o.current()); got != 1 {
		t.Errorf("%d readers of partitions taken together, want 1", got)
	}
	o.Drop(0, 1, 2, 3)
	if got := len(o.current()); got != 0 {
		t.Errorf("%d readers of nothing, want 0", got)
	}
	if got := o.Mark(); slices.ContainsFunc(got, func(id streamID) bool { return id != streamID{} }) {
		t.Errorf("mark %v of nothing", got)
	}
}
