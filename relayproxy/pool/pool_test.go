package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// world is a set whose clock stands still until the test moves it.
type world struct {
	*Set
	now     time.Time
	changes []string
}

func newWorld(n int, edit func(*Options)) *world {
	w := &world{now: time.Unix(1000, 0)}
	opts := Options{
		Failures: 3, Recovery: time.Second, Now: func() time.Time { return w.now },
		Changed: func(m *Member, why Why, out bool) {
			w.changes = append(w.changes, fmt.Sprint(m.Name, " ", why, " ", out))
		},
	}
	if edit != nil {
		edit(&opts)
	}
	w.Set = New([]string{"a", "b", "c", "d"}[:n], opts)
	return w
}

// take picks and gives back at once.
func (w *world) take(r Result) string {
	m := w.Pick(0)
	if m == nil {
		return ""
	}
	done(m, r)
	return m.Name
}

func done(m *Member, r Result) {
	m.Release()
	m.Report(r)
}

func (w *world) picks(n int) map[string]int {
	got := make(map[string]int)
	for range n {
		got[w.take(Served)]++
	}
	return got
}

func TestEqualMembersShareAlike(t *testing.T) {
	for name, edit := range map[string]func(*Options){"least pending": nil, "round robin": func(o *Options) { o.RoundRobin = true }} {
		w := newWorld(4, edit)
		for member, n := range w.picks(400) {
			if n != 100 {
				t.Errorf("%s: %s got %d of 400", name, member, n)
			}
		}
	}
}

func TestFewestPendingIsNext(t *testing.T) {
	w := newWorld(3, nil)
	slow := w.Pick(0)
	for range 50 {
		m := w.Pick(0)
		if m == slow {
			t.Fatalf("%s has a request pending and got another", m.Name)
		}
		done(m, Served)
	}
	done(slow, Served)
	if got := w.picks(300); got[slow.Name] != 100 {
		t.Errorf("%s got %d of 300 when it was free again", slow.Name, got[slow.Name])
	}
	for _, m := range w.Members() {
		if m.Pending() != 0 {
			t.Errorf("%s has %d pending", m.Name, m.Pending())
		}
	}
}

func TestFailuresInARowTakeAMemberOut(t *testing.T) {
	w := newWorld(1, nil)
	for _, r := range []Result{Failed, Failed, Served, Failed, Failed, Unclear} {
		w.take(r)
	}
	if w.In() != 1 {
		t.Fatal("out before three failures in a row")
	}
	w.take(Failed)
	if w.Pick(0) != nil || w.In() != 0 || w.Members()[0].Out() != Failing {
		t.Fatalf("in after three failures in a row: out for %q", w.Members()[0].Out())
	}
	w.now = w.now.Add(time.Second)
	trial := w.Pick(0)
	if trial == nil || w.Pick(0) != nil {
		t.Fatal("want one request, and no other, to try it after a second")
	}
	done(trial, Failed)
	if w.Pick(0) != nil {
		t.Fatal("in again although the trial failed")
	}
	w.now = w.now.Add(time.Second)
	if first, second := w.take(Served), w.take(Served); first != "a" || second != "a" {
		t.Fatal("still out although the trial was served")
	}
	if want := []string{"a failing true", "a failing false"}; !slices.Equal(w.changes, want) {
		t.Errorf("changes %v, want %v", w.changes, want)
	}
}

func TestTriedMembersAreNotPickedAgain(t *testing.T) {
	w := newWorld(3, nil)
	var tried Tried
	seen := make(map[string]bool)
	for range 3 {
		m := w.Pick(tried)
		seen[m.Name] = true
		tried = tried.With(m)
		done(m, Failed)
	}
	if len(seen) != 3 || w.Pick(tried) != nil {
		t.Errorf("picked %v, then another one", seen)
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(1, nil)
	var err error
	v := &verdict{
		Check:  Check{Timeout: time.Minute, Failures: 2, Successes: 2, Ask: func(context.Context, *Member) error { return err }},
		member: w.Members()[0],
	}
	bad := errors.New("no")
	for i, step := range []struct {
		err error
		in  int
	}{{bad, 0}, {nil, 0}, {nil, 1}, {bad, 1}, {nil, 1}, {bad, 1}, {bad, 0}, {nil, 0}, {bad, 0}, {nil, 0}, {nil, 1}} {
		err = step.err
		v.ask(context.Background())
		if w.In() != step.in {
			t.Errorf("step %d: %d in, want %d", i, w.In(), step.in)
		}
	}
}

func TestFreshness(t *testing.T) {
	const unknown = ^uint64(0)
	for _, tc := range []struct {
		name  string
		heads []uint64
		out   []string
	}{
		{"level", []uint64{100, 100, 100}, nil},
		{"within the limit", []uint64{100, 95, 100}, nil},
		{"one lags", []uint64{100, 94, 100}, []string{"b"}},
		{"one is far ahead", []uint64{100, 100, 100000}, nil},
		{"of two the lower lags", []uint64{94, 100}, []string{"a"}},
		{"alone", []uint64{1}, nil},
		{"no answer", []uint64{100, unknown, 100}, nil},
		{"at the start of a chain", []uint64{3, 0, 3}, nil},
	} {
		w := newWorld(len(tc.heads), nil)
		heads := make([]head, len(tc.heads))
		for i, number := range tc.heads {
			heads[i] = head{number, number != unknown}
		}
		w.compare(heads, 5)
		var out []string
		for _, m := range w.Members() {
			if m.Out() == Lagging {
				out = append(out, m.Name)
			}
		}
		if !slices.Equal(out, tc.out) {
			t.Errorf("%s: out %v, want %v", tc.name, out, tc.out)
		}
	}
}

// Who lagged and does not answer stays out; who catches up comes in.
func TestALaggingMemberComesBack(t *testing.T) {
	w := newWorld(2, nil)
	for i, step := range []struct {
		second head
		in     int
	}{{head{10, true}, 1}, {head{}, 1}, {head{99, true}, 2}} {
		w.compare([]head{{100, true}, step.second}, 5)
		if w.In() != step.in {
			t.Errorf("step %d: %d in, want %d", i, w.In(), step.in)
		}
	}
}

// The loops end with their context, and judge before the first interval is over.
func TestLoops(t *testing.T) {
	w := newWorld(2, nil)
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan struct{}, 16)
	var wg sync.WaitGroup
	wg.Go(func() {
		w.RunCheck(ctx, Check{Interval: time.Hour, Timeout: time.Minute, Failures: 1, Successes: 1, Ask: func(context.Context, *Member) error {
			asked <- struct{}{}
			return nil
		}})
	})
	wg.Go(func() {
		w.RunFreshness(ctx, Freshness{Interval: time.Hour, Timeout: time.Minute, Head: func(context.Context, *Member) (uint64, error) {
			asked <- struct{}{}
			return 1, nil
		}})
	})
	for range 4 {
		<-asked
	}
	cancel()
	wg.Wait()
}

// Requests of many goroutines come and go without leaving anything behind.
func TestConcurrentPicks(t *testing.T) {
	s := New([]string{"a", "b", "c"}, Options{Failures: 2, Recovery: time.Microsecond})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if m := s.Pick(0); m != nil {
					done(m, Result((g+i)%3))
				}
				s.members[i%3].judge(Unhealthy, i%2 == 0)
			}
		})
	}
	wg.Wait()
	for _, m := range s.members {
		if m.Pending() != 0 {
			t.Errorf("%s has %d pending", m.Name, m.Pending())
		}
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	s := New([]string{"a", "b", "c", "d"}, Options{Failures: 5, Recovery: time.Second})
	if got := testing.AllocsPerRun(100, func() { done(s.Pick(0), Served) }); got != 0 {
		t.Errorf("%.0f allocations", got)
	}
}

// Busy members are all looked at, since each has a request pending; of idle ones the
// first is taken.
func BenchmarkPick(b *testing.B) {
	for _, pending := range []int{0, 1} {
		for _, n := range []int{1, 2, 4, 16} {
			names := make([]string, n)
			s := New(names, Options{Failures: 5, Recovery: time.Second})
			for range pending * n {
				s.Pick(0)
			}
			b.Run(fmt.Sprintf("%d pending/%d", pending, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					done(s.Pick(0), Served)
				}
			})
		}
	}
}
