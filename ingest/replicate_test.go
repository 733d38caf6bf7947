package ingest

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
)

// A flush that a replica does not confirm is stored, but not durable: the stream
// keeps its relays until a replica has it.
func TestOnlyConfirmedFlushesAreDurable(t *testing.T) {
	ctx := context.Background()
	masterPort, replicaPort := freePort(t), freePort(t)
	runServer(t, masterPort, "repl-diskless-sync-delay 0")
	replica := runServer(t, replicaPort, fmt.Sprintf("replicaof 127.0.0.1 %d", masterPort))
	rdb := redis.NewClient(&redis.Options{Addr: address(masterPort)})
	t.Cleanup(func() { _ = rdb.Close() })
	eventually(t, "replica in sync", func() bool {
		return rdb.Set(ctx, "probe", 1, 0).Err() == nil && rdb.Do(ctx, "WAIT", 1, 100).Val() == int64(1)
	})
	opts := testOptions()
	opts.Replicas, opts.ReplicaWait = 1, 500*time.Millisecond
	o, err := Acquire(ctx, rdb, testKeys(), epochName(1), "owner", opts)
	if err != nil {
		t.Fatal(err)
	}
	p, ref := newTestPublisher(t, rdb), testRef(0)
	part := o.partitionOf(ref.Key())
	flushOne := func(n int) {
		t.Helper()
		publish(t, p, testRelay(t, ref, n))
		if _, err := o.read(ctx, o.parts); err != nil {
			t.Fatal(err)
		}
		if err := o.flushDue(ctx, o.parts, true); err != nil {
			t.Fatal(err)
		}
	}
	flushOne(1)
	if part.durable != part.cursor {
		t.Fatalf("confirmed flush: durable up to %s, want %s", part.durable, part.cursor)
	}
	if err := replica.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before := part.durable
	flushOne(2)
	if part.durable != before || part.cursor == before {
		t.Errorf("unconfirmed flush: durable up to %s, cursor %s, want durable %s", part.durable, part.cursor, before)
	}
	if err := o.Trim(ctx, o.Mark()); err != nil {
		t.Fatal(err)
	}
	if n := rdb.XLen(ctx, testKeys().Stream(part.number)).Val(); n != 1 {
		t.Errorf("stream holds %d relays after the trim, want the one that is not durable", n)
	}
	if _, err := o.Seal(ctx, ref.Key()); err != nil {
		t.Errorf("a missing replica must not stop a seal: %v", err)
	}
	if got := testutil.ToFloat64(o.metrics.unreplicated); got != 2 {
		t.Errorf("got %v unreplicated writes counted, want a flush and a seal", got)
	}
	if err := replica.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	other := testRef(2) // of the same partition or not: the next write confirms what was before it
	publish(t, p, testRelay(t, other, 1))
	eventually(t, "the partition is durable again", func() bool {
		consumeAll(t, o)
		part := o.partitionOf(other.Key())
		return part.durable == part.cursor
	})
}
