package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/raftminer/raftminer/chain"
)

// snapshot is all that Redis holds at some instant.
type snapshot map[string]string

func snap(t *rapid.T, rdb *redis.Client) snapshot {
	all := make(snapshot)
	for _, key := range rdb.Keys(context.Background(), "*").Val() {
		value, err := rdb.Dump(context.Background(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		all[key] = value
	}
	return all
}

// putBack makes Redis hold what it held, and nothing else.
func (s snapshot) putBack(t *rapid.T, rdb *redis.Client) {
	ctx := context.Background()
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	for key, value := range s {
		if err := rdb.Restore(ctx, key, 0, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A session is sealed and nobody has its tree but Redis. Then Redis is what it was
// at any earlier instant, or empty. The relayers' spools bring the sealed tree back,
// with the root that the group agreed on, no new relay gets in, and the sessions that
// are open lose nothing either.
func TestALostSealedTreeComesBack(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	sealed := testRef(0)
	rapid.Check(t, func(t *rapid.T) {
		var back snapshot // nil: emptied
		back.putBack(t, rdb)
		epoch := 0
		acquire := func() *Owner {
			epoch++
			o, err := Acquire(ctx, rdb, testKeys(), epochName(epoch), fmt.Sprint(epoch), testOptions())
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		o := acquire()
		spool := make(map[chain.SessionKey][]MinedRelay)
		published := 0
		publish := func(ref chain.SessionRef) {
			r := relayOf(ref, published)
			published++
			if err := p.Publish(ctx, r); err != nil {
				t.Fatal(err)
			}
			spool[r.Key()] = append(spool[r.Key()], r)
		}
		publish(sealed)
		steps := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 25).Draw(t, "steps")
		for _, step := range steps {
			switch step {
			case 0, 1:
				publish(testRef(step * 2)) // of one supplier
			case 2:
				takeAll(t, o)
			case 3:
				back = snap(t, rdb)
			case 4:
				o = acquire()
			}
		}
		if rapid.Bool().Draw(t, "lost between close and seal") {
			if _, err := o.partitionOf(sealed.Key()).shut(ctx, sealed.Key()); err != nil {
				t.Fatal(err)
			}
			takeAll(t, o)
			back = snap(t, rdb)
		}
		head, err := o.Seal(ctx, sealed.Key())
		if err != nil {
			t.Fatal(err)
		}
		known := []Known{{Ref: sealed, Sealed: true, Count: head.Count, Root: head.Root}}
		if !rapid.Bool().Draw(t, "nothing is lost") {
			back.putBack(t, rdb)
		}

		// The owner finds out when it takes over, or later on its own.
		o = acquire()
		look := o.Reconcile
		if rapid.Bool().Draw(t, "on its own") {
			look = o.Restore
		}
		if err := look(ctx, known); err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(ctx, relayOf(sealed, published)); !errors.Is(err, ErrSessionClosed) {
			t.Fatalf("a new relay of the sealed session: got %v, want %v", err, ErrSessionClosed)
		}
		bring(t, p, rdb, spool)
		takeAll(t, o)
		if rapid.Bool().Draw(t, "a takeover follows") {
			o = acquire()
			if err := o.Reconcile(ctx, known); err != nil {
				t.Fatal(err)
			}
			takeAll(t, o)
		}
		for _, h := range o.Heads() {
			if h.Ref != sealed {
				if h, err = o.Seal(ctx, h.Ref.Key()); err != nil {
					t.Fatal(err)
				}
			}
			if want := reference(t, spool[h.Ref.Key()]); !h.Sealed || !bytes.Equal(h.Root, want) {
				t.Fatalf("session %s: sealed %v, %d relays, root %x; want sealed, %d, %x",
					h.Ref.SessionID, h.Sealed, h.Count, h.Root, len(spool[h.Ref.Key()]), want)
			}
			delete(spool, h.Ref.Key())
		}
		if len(spool) > 0 {
			t.Fatalf("%d sessions have no tree", len(spool))
		}
	})
}

// takeAll takes and stores all there is, and seals again what is due.
func takeAll(t *rapid.T, o *Owner) {
	for behind := true; behind; {
		var err error
		if behind, err = o.read(context.Background(), o.parts); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.flushDue(context.Background(), o.parts, true); err != nil {
		t.Fatal(err)
	}
}

// bring does what a relayer does that sees another Redis.
func bring(t *rapid.T, p *Publisher, rdb *redis.Client, spool map[chain.SessionKey][]MinedRelay) {
	ctx := context.Background()
	sights, err := Look(ctx, rdb, testKeys(), sortedSessions(spool))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range sortedSessions(spool) {
		_, wanted := sights[testKeys().Partition(key)].Wanted[key]
		for _, r := range spool[key] {
			if err := p.Publish(ctx, r); err != nil && !errors.Is(err, ErrSessionClosed) {
				t.Fatal(err)
			}
			if !wanted {
				continue
			}
			if err := p.Republish(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Redis loses a sealed tree, and spools do not bring all of it. What they brought is
// sealed in its place, and looked after like any other.
func TestWhatIsLeftOfALostSealedTreeIsSealed(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	ref := testRef(0)
	relays := []MinedRelay{testRelay(t, ref, 1), testRelay(t, ref, 2), testRelay(t, ref, 3)}
	publish(t, p, relays...)
	for _, left := range [][]MinedRelay{relays, relays[:2], relays[:1]} {
		consumeAll(t, o)
		head, err := o.Seal(ctx, ref.Key())
		if err != nil {
			t.Fatal(err)
		}
		if head.Count != uint64(len(left)) || !head.Sealed || !bytes.Equal(head.Root, reference(t, left)) {
			t.Fatalf("got %+v, want a sealed tree of %d relays", head, len(left))
		}
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := o.Restore(ctx, []Known{{Ref: ref, Sealed: true, Count: head.Count, Root: head.Root}}); err != nil {
			t.Fatal(err)
		}
		for _, r := range left[:len(left)-1] {
			if err := p.Republish(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := o.Seal(ctx, ref.Key()); !errors.Is(err, ErrUnknownSession) {
		t.Errorf("got %v, want %v", err, ErrUnknownSession)
	}
}

// Once a tree is archived nobody needs its relays any more, whatever Redis loses,
// and what was forgotten is not marked again.
func TestArchivedSessionsAreSafe(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	key := testRef(0).Key()
	publish(t, p, testRelay(t, testRef(0), 1))
	consumeAll(t, o)
	if _, err := o.Seal(ctx, key); err != nil {
		t.Fatal(err)
	}
	safe := func() bool {
		sights, err := Look(ctx, rdb, testKeys(), []chain.SessionKey{key})
		if err != nil {
			t.Fatal(err)
		}
		return len(sights[testKeys().Partition(key)].Safe) == 1
	}
	if safe() {
		t.Error("relays of a sealed session are safe before anybody archived it")
	}
	if err := o.Archived(ctx, []chain.SessionKey{key}); err != nil {
		t.Fatal(err)
	}
	if !safe() {
		t.Error("relays of an archived session are not safe")
	}
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	o = testOwner(t, rdb, 2)
	if err := o.Reconcile(ctx, []Known{{Ref: testRef(0), Sealed: true, Count: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Republish(ctx, testRelay(t, testRef(0), 1)); !errors.Is(err, ErrSessionClosed) || !safe() {
		t.Errorf("after a wipe: got %v, want %v; safe: %v", err, ErrSessionClosed, safe())
	}
	if err := o.Forget(ctx, key); err != nil {
		t.Fatal(err)
	}
	forgotten := rdb.ZScore(ctx, testKeys().Closed(testKeys().Partition(key)), sessionField(key)).Val()
	p2 := o.partitionOf(key)
	p2.mu.Lock()
	err := p2.markClosed(ctx, closingArchived, key)
	p2.mu.Unlock()
	if got := rdb.ZScore(ctx, testKeys().Closed(testKeys().Partition(key)), sessionField(key)).Val(); err != nil || got != forgotten || got <= 0 {
		t.Errorf("closing of a forgotten session: got %v, want %v (%v)", got, forgotten, err)
	}
}

// A tree that is whole is not asked for, and one that is lost is asked for once.
func TestAskingOnce(t *testing.T) {
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	o := testOwner(t, rdb, 1)
	ref := testRef(0)
	publish(t, p, testRelay(t, ref, 1))
	consumeAll(t, o)
	head, err := o.Seal(ctx, ref.Key())
	if err != nil {
		t.Fatal(err)
	}
	known := []Known{{Ref: ref, Sealed: true, Count: 1, Root: head.Root}}
	asked := func() Asking {
		if err := o.Restore(ctx, known); err != nil {
			t.Fatal(err)
		}
		sights, err := Look(ctx, rdb, testKeys(), []chain.SessionKey{ref.Key()})
		if err != nil {
			t.Fatal(err)
		}
		return sights[testKeys().Partition(ref.Key())].Wanted[ref.Key()]
	}
	if got := asked(); got != 0 {
		t.Errorf("a tree that is there was asked for at %v", got)
	}
	part := testKeys().Partition(ref.Key())
	if err := rdb.Del(ctx, testKeys().Heads(part), testKeys().Nodes(ref.Key())).Err(); err != nil {
		t.Fatal(err)
	}
	first := asked()
	if again := asked(); first == 0 || again != first {
		t.Errorf("a tree that is lost was asked for at %v and %v, want once", first, again)
	}
	if err := p.Republish(ctx, testRelay(t, ref, 1)); err != nil {
		t.Fatal(err)
	}
	consumeAll(t, o)
	if heads := o.Heads(); len(heads) != 1 || !heads[0].Sealed || testutil.ToFloat64(o.metrics.restored) != 1 {
		t.Errorf("got heads %+v, %v restored", heads, testutil.ToFloat64(o.metrics.restored))
	}
}
