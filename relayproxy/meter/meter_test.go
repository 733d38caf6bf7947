package meter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

// world is a Redis, a budget, and a clock.
type world struct {
	t      testing.TB
	redis  *miniredis.Miniredis
	keys   ingest.Keys
	budget chain.Budget
	err    error // of asking for the budget
	clock  time.Time
	opts   Options
}

func newWorld(t testing.TB, budget int64) *world {
	return &world{
		t: t, redis: miniredis.RunT(t), keys: ingest.NewKeys("test", "chain", "cluster", 4),
		budget: chain.Budget{Upokt: 4200 * budget, Relays: budget}, clock: time.Unix(1000, 0), opts: Options{MaxLease: 64},
	}
}

// RelayBudget implements Budgets.
func (w *world) RelayBudget(context.Context, chain.SessionRef) (chain.Budget, error) {
	return w.budget, w.err
}

// relayer makes one whose leases are waited for, so that runs can be repeated.
func (w *world) relayer() *Meter {
	rdb := redis.NewClient(&redis.Options{Addr: w.redis.Addr(), MaxRetries: -1, DialerRetries: 1})
	w.t.Cleanup(func() { _ = rdb.Close() })
	m := New(w.opts, w, NewRedisLedger(rdb, w.keys), prometheus.NewRegistry(), zap.NewNop())
	m.now = func() time.Time { return w.clock }
	m.spawn = func(f func()) { f() }
	return m
}

func testRef() chain.SessionRef {
	return chain.SessionRef{Supplier: "pokt1supplier", SessionID: "abc", Service: "svc", Application: "pokt1app", StartHeight: 1, EndHeight: 10}
}

func testWindows() chain.Windows { return chain.Windows{ClaimOpen: 12, ClaimClose: 20, Settlement: 40} }

func (w *world) reserve(m *Meter) (Charge, error) {
	return m.Reserve(context.Background(), testRef(), testWindows())
}

// exhaust commits relays until one is refused.
func (w *world) exhaust(m *Meter) (served int64) {
	w.t.Helper()
	for {
		c, err := w.reserve(m)
		if errors.Is(err, ErrOverBudget) {
			return served
		}
		if err != nil {
			w.t.Fatal(err)
		}
		c.Commit()
		served++
	}
}

func TestServesExactlyTheBudget(t *testing.T) {
	for _, budget := range []int64{0, 1, 2, 15, 16, 17, 1000} {
		w := newWorld(t, budget)
		if got := w.exhaust(w.relayer()); got != budget {
			t.Errorf("%d relays were served of a budget of %d", got, budget)
		}
	}
}

func TestRelayersShareABudget(t *testing.T) {
	w := newWorld(t, 1000)
	a, b := w.relayer(), w.relayer()
	for range 300 {
		for _, m := range []*Meter{a, b} {
			c, err := w.reserve(m)
			if err != nil {
				t.Fatal(err)
			}
			c.Commit()
		}
	}
	served := 600 + w.exhaust(a)
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(2 * askAgain)
	served += w.exhaust(a)
	w.clock = w.clock.Add(2 * askAgain)
	if served += w.exhaust(b); served != 1000 {
		t.Errorf("%d relays were served of a budget of 1000", served)
	}
}

func TestRefundsAreServedAgain(t *testing.T) {
	w := newWorld(t, 3)
	m := w.relayer()
	var charges []Charge
	for range 3 {
		c, err := w.reserve(m)
		if err != nil {
			t.Fatal(err)
		}
		charges = append(charges, c)
	}
	if _, err := w.reserve(m); !errors.Is(err, ErrOverBudget) {
		t.Fatalf("a fourth relay of three: %v", err)
	}
	charges[0].Refund()
	charges[0].Refund()
	charges[0].Commit()
	charges[1].Commit()
	charges[1].Refund()
	if got := w.exhaust(m); got != 1 {
		t.Errorf("%d relays were served after one refund, want 1", got)
	}
}

// A busy relayer asks rarely; the last relays are asked for one by one.
func TestLeasesAreFew(t *testing.T) {
	w := newWorld(t, 100_000)
	w.opts.MaxLease = 1024
	m := w.relayer()
	if got := w.exhaust(m); got != 100_000 {
		t.Fatalf("%d relays were served", got)
	}
	if calls := m.sessions[testRef().Key()].number; calls > 400 {
		t.Errorf("%d calls for 100,000 relays", calls)
	}
}

func TestAnIdlePartIsGivenBack(t *testing.T) {
	w := newWorld(t, 1000)
	a, b := w.relayer(), w.relayer()
	c, err := w.reserve(a)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	for range idleSweeps + 1 {
		a.sweep(context.Background(), 5)
	}
	if got := w.exhaust(b); got != 999 {
		t.Errorf("%d relays were left for another relayer, want 999", got)
	}
}

func TestNothingIsLeftOfASession(t *testing.T) {
	w := newWorld(t, 1000)
	a, b := w.relayer(), w.relayer()
	for _, m := range []*Meter{a, b} {
		if _, err := w.reserve(m); err != nil {
			t.Fatal(err)
		}
	}
	b.session(testRef(), testWindows()).flying = 0 // it has died, and a is alone
	a.sweep(context.Background(), 21)
	if len(w.redis.Keys()) == 0 {
		t.Error("the meter was removed with a relay in flight")
	}
	a.session(testRef(), testWindows()).flying = 0
	a.sweep(context.Background(), 20)
	if len(w.redis.Keys()) == 0 {
		t.Error("the meter was removed before claims were closed")
	}
	a.sweep(context.Background(), 21)
	if keys := w.redis.Keys(); len(keys) != 0 || len(a.sessions) != 0 {
		t.Errorf("left in Redis: %v, and %d sessions in memory", keys, len(a.sessions))
	}
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if keys := w.redis.Keys(); len(keys) != 0 {
		t.Errorf("giving back made %v again", keys)
	}
}

// Redis is away when a session ends, and nobody asks for anything afterwards.
func TestNothingIsLeftAfterAnOutage(t *testing.T) {
	w := newWorld(t, 1600)
	m := w.relayer()
	c, err := w.reserve(m)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	w.redis.Close()
	w.clock = w.clock.Add(time.Minute)
	other := testRef()
	other.SessionID = "other"
	if _, err := m.Reserve(context.Background(), other, testWindows()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("without Redis: %v", err)
	}
	m.sweep(context.Background(), 21)
	if err := w.redis.Restart(); err != nil {
		t.Fatal(err)
	}
	m.sweep(context.Background(), 22)
	if keys := w.redis.Keys(); len(keys) != 0 || len(m.sessions) != 0 {
		t.Errorf("left in Redis: %v, %d sessions in memory", keys, len(m.sessions))
	}
	if m.blackout.lasts(w.clock) != 0 {
		t.Errorf("a blackout of %v", m.blackout.lasts(w.clock))
	}
	for partition, o := range m.outages {
		if o.lasts(w.clock) != 0 {
			t.Errorf("partition %d: an outage of %v", partition, o.lasts(w.clock))
		}
	}
}

// Redis is away for longer than the grace. A session that begins then gets none, also
// if it is the first of its partition that asks.
func TestGraceIsOverForAllPartitions(t *testing.T) {
	w := newWorld(t, 1600)
	w.opts.Grace = time.Minute
	m := w.relayer()
	w.redis.Close()
	ref := testRef()
	asked := make(map[int]bool)
	for n := 0; len(asked) < w.keys.Partitions(); n++ {
		ref.SessionID = fmt.Sprint("s", n)
		p := w.keys.Partition(ref.Key())
		if asked[p] {
			continue
		}
		asked[p] = true
		_, err := m.Reserve(context.Background(), ref, testWindows())
		if first := len(asked) == 1; (err == nil) != first {
			t.Errorf("first session of partition %d, %d partitions asked: %v", p, len(asked), err)
		}
		w.clock = w.clock.Add(w.opts.Grace)
	}
}

// partlyAway is a ledger of which a partition does not answer.
type partlyAway struct {
	Ledger
	dead int
}

func (l partlyAway) Lease(ctx context.Context, s Statement, want int64) (lent, left int64, err error) {
	if l.Partition(s.Key) == l.dead {
		return 0, 0, errLost
	}
	return l.Ledger.Lease(ctx, s, want)
}

func (l partlyAway) Remove(ctx context.Context, key chain.SessionKey) error {
	if l.Partition(key) == l.dead {
		return errLost
	}
	return l.Ledger.Remove(ctx, key)
}

// A master of a Cluster is dead. Sessions that others keep are served to the last relay
// of their budget and cleared away, however often those of the dead one are asked for.
func TestADeadPartitionHoldsUpItsSessionsOnly(t *testing.T) {
	w := newWorld(t, 1000)
	m := w.relayer()
	dead := testRef()
	m.ledger = partlyAway{m.ledger, w.keys.Partition(dead.Key())}
	var alive []chain.SessionRef
	for n := 0; len(alive) < 20; n++ {
		ref := testRef()
		ref.SessionID = fmt.Sprint("alive", n)
		if w.keys.Partition(ref.Key()) != w.keys.Partition(dead.Key()) {
			alive = append(alive, ref)
		}
	}
	for served := range 1001 {
		if _, err := m.Reserve(context.Background(), dead, testWindows()); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a session whose partition is away: got %v, want %v", err, ErrUnavailable)
		}
		for _, ref := range alive {
			c, err := m.Reserve(context.Background(), ref, testWindows())
			if (err == nil) != (served < 1000) {
				t.Fatalf("relay %d of session %s: %v", served, ref.SessionID, err)
			}
			if err == nil {
				c.Commit()
			}
		}
		w.clock = w.clock.Add(tryAgain)
	}
	m.sweep(context.Background(), testWindows().ClaimClose+1)
	if keys := w.redis.Keys(); len(keys) != 0 || len(m.sessions) != 1 {
		t.Errorf("left in Redis: %v, and %d sessions in memory, want the one whose partition is away", keys, len(m.sessions))
	}
}

func TestAMeterExpires(t *testing.T) {
	w := newWorld(t, 1000)
	if _, err := w.reserve(w.relayer()); err != nil {
		t.Fatal(err)
	}
	w.redis.FastForward(keyLife + time.Second)
	if keys := w.redis.Keys(); len(keys) != 0 {
		t.Errorf("left in Redis: %v", keys)
	}
}

func TestWithoutRedisRelaysAreRefused(t *testing.T) {
	w := newWorld(t, 1600)
	m := w.relayer()
	w.redis.Close()
	if _, err := w.reserve(m); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestGraceIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		leased bool          // before Redis went away
		step   time.Duration // between relays
		want   int64
	}{
		"by number, of a session that was metered": {true, 0, 16 + (1600-16)/16},
		"by number, of a new session":              {false, 0, 1600 / 16},
		"by time":                                  {false, time.Second, 10},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1600)
			w.opts.Grace = 10 * time.Second
			m := w.relayer()
			if tc.leased {
				c, err := w.reserve(m)
				if err != nil {
					t.Fatal(err)
				}
				c.Refund()
			}
			w.redis.Close()
			var served int64
			for {
				c, err := w.reserve(m)
				if errors.Is(err, ErrUnavailable) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				c.Commit()
				served++
				w.clock = w.clock.Add(tc.step)
			}
			if served != tc.want {
				t.Errorf("%d relays were served without Redis, want %d", served, tc.want)
			}
			// What was served by grace is said when Redis is back.
			if err := w.redis.Restart(); err != nil {
				t.Fatal(err)
			}
			w.clock = w.clock.Add(time.Minute)
			if served += w.exhaust(m); served != 1600 {
				t.Errorf("%d relays were served in all, want 1600", served)
			}
		})
	}
}

// A Redis that forgot is told again what was served.
func TestAnEmptiedRedisIsToldAgain(t *testing.T) {
	w := newWorld(t, 1000)
	m := w.relayer()
	var served int64
	for range 500 {
		c, err := w.reserve(m)
		if err != nil {
			t.Fatal(err)
		}
		c.Commit()
		served++
	}
	w.redis.FlushAll()
	if served += w.exhaust(m); served != 1000 {
		t.Errorf("%d relays were served of a budget of 1000", served)
	}
}

func TestAnOvertakenCallIsRefused(t *testing.T) {
	w := newWorld(t, 1000)
	ledger := w.relayer().ledger
	at := func(number, held int64) error {
		_, _, err := ledger.Lease(context.Background(), Statement{
			Key: testRef().Key(), Relayer: "a", Number: number, Held: held, Budget: 1000}, 10)
		return err
	}
	if err := errors.Join(at(1, 0), at(3, 20)); err != nil {
		t.Fatal(err)
	}
	if err := at(2, 10); err == nil {
		t.Error("a call was taken that a later one had overtaken")
	}
}

func TestTheBudgetMustBeKnown(t *testing.T) {
	w := newWorld(t, 1000)
	w.err = errors.New("no node answers")
	m := w.relayer()
	if _, err := w.reserve(m); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	w.err = nil
	w.clock = w.clock.Add(time.Second)
	if _, err := w.reserve(m); err != nil {
		t.Errorf("the budget is known again: %v", err)
	}
}

func TestAllocationsOfACharge(t *testing.T) {
	w := newWorld(t, 1_000_000)
	m := w.relayer()
	if _, err := w.reserve(m); err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(1000, func() {
		c, err := w.reserve(m)
		if err != nil {
			t.Fatal(err)
		}
		c.Refund()
	})
	if got != 0 {
		t.Errorf("%v allocations per relay, want none", got)
	}
}

func BenchmarkCharge(b *testing.B) {
	w := newWorld(b, 1_000_000)
	m := w.relayer()
	b.ReportAllocs()
	for b.Loop() {
		c, err := w.reserve(m)
		if err != nil {
			b.Fatal(err)
		}
		c.Refund()
	}
}

func BenchmarkOverBudget(b *testing.B) {
	w := newWorld(b, 0)
	m := w.relayer()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.reserve(m); !errors.Is(err, ErrOverBudget) {
			b.Fatal(err)
		}
	}
}

// Many at once, with leases in the background as in a real relayer.
func TestManyAtOnceServeTheBudget(t *testing.T) {
	w := newWorld(t, 5000)
	var relayers []*Meter
	for range 3 {
		m := w.relayer()
		m.spawn, m.now = func(f func()) { go f() }, time.Now
		relayers = append(relayers, m)
	}
	var mu sync.Mutex
	var served int64
	var group sync.WaitGroup
	for _, m := range relayers {
		for worker := range 8 {
			group.Go(func() {
				for i := 0; ; i++ {
					c, err := w.reserve(m)
					if err != nil {
						return
					}
					if (i+worker)%5 == 0 {
						c.Refund()
						continue
					}
					c.Commit()
					mu.Lock()
					served++
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	for _, m := range relayers {
		if err := m.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	last := w.relayer()
	if served += w.exhaust(last); served != 5000 {
		t.Errorf("%d relays were served of a budget of 5000", served)
	}
}
