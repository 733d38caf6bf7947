package chain

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cached is a bounded read-through cache. Concurrent loads of one key are one
// query (otter calls the loader once per key). Of errors only one is kept, for a
// moment: that something does not exist. Junk that names it again and again is not
// worth a query each.
//
// An answer that is older than its time to live is asked for again while it is
// still given: nobody waits for the chain who asked before. If no node answers it
// serves on for the grace.
type cached[K comparable, V any] struct {
	cache  *otter.Cache[K, V]
	absent *otter.Cache[K, error]
	loader otter.Loader[K, V]
}

// absentTTL is short: what does not exist may be staked with the next block.
const absentTTL = 2 * time.Second

// keeping is how long answers are kept.
type keeping struct {
	size  int
	grace time.Duration // beyond the time to live
	stale prometheus.Counter
}

// newCached keeps values for ttl and a grace.
func newCached[K comparable, V any](k keeping, ttl time.Duration, load func(context.Context, K) (V, error)) *cached[K, V] {
	return newCachedFor(k, func(K) time.Duration { return ttl }, load)
}

// newCachedFor keeps values as long as their keys say, and a grace.
func newCachedFor[K comparable, V any](k keeping, ttl func(K) time.Duration, load func(context.Context, K) (V, error)) *cached[K, V] {
	return &cached[K, V]{
		cache: otter.Must(&otter.Options[K, V]{
			MaximumSize:       k.size,
			ExpiryCalculator:  otter.ExpiryWritingFunc(func(e otter.Entry[K, V]) time.Duration { return ttl(e.Key) + k.grace }),
			RefreshCalculator: otter.RefreshWritingFunc(func(e otter.Entry[K, V]) time.Duration { return ttl(e.Key) }),
			Logger:            &otter.NoopLogger{}, // the feed says that nodes are away, once
		}),
		absent: otter.Must(&otter.Options[K, error]{MaximumSize: k.size, ExpiryCalculator: otter.ExpiryWriting[K, error](absentTTL)}),
		loader: loader[K, V]{load, k.stale},
	}
}

func (c *cached[K, V]) get(ctx context.Context, key K) (V, error) {
	if c.absent.EstimatedSize() > 0 {
		if err, known := c.absent.GetIfPresent(key); known {
			var none V
			return none, err
		}
	}
	value, err := c.cache.Get(ctx, key, c.loader)
	if err != nil && Absent(err) {
		c.absent.Set(key, err)
	}
	return value, err
}

// Absent says that the chain was asked for something that does not exist.
func Absent(err error) bool { return status.Code(err) == codes.NotFound }

type loader[K comparable, V any] struct {
	load  func(context.Context, K) (V, error)
	stale prometheus.Counter
}

// Load implements otter.Loader.
func (l loader[K, V]) Load(ctx context.Context, key K) (V, error) { return l.load(ctx, key) }

// Reload implements otter.Loader. Who asked has its answer already and may be gone.
func (l loader[K, V]) Reload(ctx context.Context, key K, _ V) (V, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	value, err := l.load(ctx, key)
	if err != nil {
		l.stale.Inc()
	}
	return value, err
}
