package ingest

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"
)

// After a failure that left memory in doubt nothing of it is stored, however
// long Redis could not be asked: the entries are read again.
func TestDoubtfulTreesAreNeverStored(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	ref := testRef(0)
	publish(t, p, testRelay(t, ref, 1))
	o := testOwner(t, rdb, 1)
	if _, err := o.read(ctx, o.parts); err != nil {
		t.Fatal(err)
	}
	part := o.partitionOf(ref.Key())
	if part.pending != 1 {
		t.Fatalf("got %d entries in memory, want 1", part.pending)
	}
	o.rdb = redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	if err := part.recover(ctx, errors.New("any failure")); err == nil || errors.Is(err, errReloaded) {
		t.Fatalf("recover without Redis: got %v, want a failure", err)
	}
	_ = o.rdb.Close()
	o.rdb = rdb
	before := dump(t, rdb)
	if err := part.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if changed := changedKeys(before, dump(t, rdb)); len(changed) > 1 { // acquiring marks meta
		t.Errorf("doubtful trees were stored: %v changed", changed)
	}
	consumeAll(t, o)
	head, err := o.Seal(ctx, ref.Key())
	if err != nil || head.Count != 1 {
		t.Errorf("got %d relays (%v), want the one that was read again", head.Count, err)
	}
}
