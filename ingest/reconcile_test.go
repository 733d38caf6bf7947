package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/raftminer/raftminer/chain"
)

// Redis goes back under an owner whose fence it keeps, as in a failover to a replica
// that was behind. Whatever the owner does next, it notices, and the session waits for
// its relays.
func TestRedisGoesBackUnderItsOwner(t *testing.T) {
	for name, next := range map[string]func(*Owner, chain.SessionKey) error{
		"flush": func(o *Owner, key chain.SessionKey) error {
			part := o.partitionOf(key)
			part.read, part.pending = Position{ms: part.read.ms + 1}, 1 // something to store
			return o.flushDue(t.Context(), o.parts, true)
		},
		"seal": func(o *Owner, key chain.SessionKey) error {
			_, err := o.Seal(t.Context(), key)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := startRedis(t)
			p, ctx := newTestPublisher(t, rdb), t.Context()
			ref := testRef(0)
			publish(t, p, testRelay(t, ref, 1))
			o := testOwner(t, rdb, 1)
			consumeAll(t, o)
			older := dump(t, rdb)
			publish(t, p, testRelay(t, ref, 2), testRelay(t, ref, 3))
			consumeAll(t, o)
			if err := rdb.FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			for key, value := range older {
				if err := rdb.Restore(ctx, key, 0, value).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := next(o, ref.Key()); err == nil {
				t.Fatal("something was stored that builds on what is gone")
			}
			if got := testutil.ToFloat64(o.metrics.rollbacks); got != 1 || !o.Recovering(ref.Key(), time.Minute) {
				t.Errorf("%v sessions went back, want the one, which has to wait", got)
			}
			publish(t, p, testRelay(t, ref, 2), testRelay(t, ref, 3))
			consumeAll(t, o)
			if o.Recovering(ref.Key(), time.Minute) {
				t.Error("a session that has its relays again waits for more")
			}
			if head, err := o.Seal(ctx, ref.Key()); err != nil || head.Count != 3 {
				t.Errorf("sealed with %d relays (%v), want 3", head.Count, err)
			}
		})
	}
}

// A Redis that was emptied does not open sealed sessions again, and what went
// back is counted.
func TestReconcileAfterAWipe(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	sealed, open := testRef(0), testRef(1)
	publish(t, p, testRelay(t, sealed, 1), testRelay(t, open, 1), testRelay(t, open, 2))
	o := testOwner(t, rdb, 1)
	consumeAll(t, o)
	if _, err := o.Seal(ctx, sealed.Key()); err != nil {
		t.Fatal(err)
	}
	known := []Known{{Ref: sealed, Sealed: true, Count: 1}, {Ref: open, Count: 2}}
	sound := testOwner(t, rdb, 2)
	if err := sound.Reconcile(ctx, known); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(sound.metrics.rollbacks); got != 0 {
		t.Errorf("nothing was lost: got %v sessions that went back", got)
	}
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	wiped := testOwner(t, rdb, 3)
	publish(t, p, testRelay(t, sealed, 2)) // between the acquisition and the comparison
	if err := wiped.Reconcile(ctx, known); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(wiped.metrics.rollbacks); got != 1 {
		t.Errorf("got %v sessions that went back, want the open one", got)
	}
	if err := p.Publish(ctx, testRelay(t, sealed, 3)); !errors.Is(err, ErrSessionClosed) {
		t.Errorf("relay of a sealed session: got %v, want %v", err, ErrSessionClosed)
	}
	if !wiped.Recovering(open.Key(), time.Minute) || wiped.Recovering(open.Key(), 0) {
		t.Error("a session of which relays are missing has to wait for them, but not for ever")
	}
	long := wiped.partitionOf(open.Key())
	long.behind[open.Key()] = shortfall{relays: 2, since: time.Now().Add(-time.Hour)}
	publish(t, p, testRelay(t, open, 1)) // a relayer's spool
	consumeAll(t, wiped)
	if !wiped.Recovering(open.Key(), time.Minute) {
		t.Error("a session does not wait although relays of it came a moment ago")
	}
	publish(t, p, testRelay(t, open, 2))
	consumeAll(t, wiped)
	if wiped.Recovering(open.Key(), time.Minute) {
		t.Error("a session that has its relays again waits for more")
	}
	for _, h := range wiped.Heads() {
		if h.Ref != open || h.Count != 2 {
			t.Errorf("session %v has a tree of %d relays", h.Ref.Key(), h.Count)
		}
	}
}
