package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

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
	publish(t, p, testRelay(t, open, 1), testRelay(t, open, 2)) // a relayer's spool
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
