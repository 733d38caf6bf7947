package chain

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// While the chain is away what was known serves on for the grace, and no longer.
func TestAnswersServeOnForTheGrace(t *testing.T) {
	var away atomic.Bool
	var version atomic.Int64
	load := func(context.Context, string) (int64, error) {
		if away.Load() {
			return 0, errFake
		}
		return version.Load(), nil
	}
	stale := prometheus.NewCounter(prometheus.CounterOpts{Name: "stale"})
	long := newCached(keeping{size: 10, grace: time.Hour, stale: stale}, time.Millisecond, load)
	short := newCached(keeping{size: 10, grace: 200 * time.Millisecond, stale: stale}, time.Millisecond, load)
	get := func(c *cached[string, int64]) (int64, error) { return c.get(context.Background(), "key") }
	for _, c := range []*cached[string, int64]{long, short} {
		if _, err := get(c); err != nil {
			t.Fatal(err)
		}
	}
	version.Store(1)
	eventually(t, "a newer answer is fetched", func() bool { got, err := get(long); return err == nil && got == 1 })
	away.Store(true)
	version.Store(2)
	eventually(t, "the grace ends", func() bool { _, err := get(short); return err != nil })
	if got, err := get(long); got != 1 || err != nil {
		t.Errorf("within the grace: %d, %v", got, err)
	}
	eventually(t, "it is counted", func() bool { return testutil.ToFloat64(stale) > 0 })
	away.Store(false)
	eventually(t, "the chain is asked again", func() bool { got, err := get(long); return err == nil && got == 2 })
	eventually(t, "and after the grace as well", func() bool { got, err := get(short); return err == nil && got == 2 })
}

func BenchmarkCached(b *testing.B) {
	c := newCached(keeping{size: 10}, time.Hour, func(context.Context, sessionQuery) (*int, error) { return new(int), nil })
	key := sessionQuery{"pokt1application", "service", 100}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.get(context.Background(), key); err != nil {
			b.Fatal(err)
		}
	}
}

// What does not exist is asked for once, and again a little later.
func TestAbsenceIsRemembered(t *testing.T) {
	var asked atomic.Int64
	var there atomic.Bool
	c := newCached(keeping{size: 10}, time.Hour, func(context.Context, string) (int, error) {
		asked.Add(1)
		if there.Load() {
			return 1, nil
		}
		return 0, fmt.Errorf("query application: %w", status.Error(codes.NotFound, "no such application"))
	})
	for range 100 {
		if _, err := c.get(context.Background(), "app"); !Absent(err) {
			t.Fatalf("got %v", err)
		}
	}
	if got := asked.Load(); got > 2 { // two if the machine stood still for absentTTL
		t.Errorf("asked %d times", got)
	}
	there.Store(true)
	eventually(t, "it is found", func() bool { got, err := c.get(context.Background(), "app"); return err == nil && got == 1 })
}
