package chain

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// cached is a bounded read-through cache. Concurrent loads of one key are one
// query (otter calls the loader once per key), and errors are not kept.
//
// An answer that is older than its time to live is asked for again while it is
// still given: nobody waits for the chain who asked before. If no node answers it
// serves on for the grace.
type cached[K comparable, V any] struct {
	cache  *otter.Cache[K, V]
	loader otter.Loader[K, V]
}

// keeping is how long answers are kept.
type keeping struct {
	size  int
	grace time.Duration // beyond the time to live
	stale prometheus.Counter
}

// newCached keeps values for ttl and a grace.
func newCached[K comparable, V any](k keeping, ttl time.Duration, load func(context.Context, K) (V, error)) *cached[K, V] {
	return &cached[K, V]{
		cache: otter.Must(&otter.Options[K, V]{
			MaximumSize:       k.size,
			ExpiryCalculator:  otter.ExpiryWriting[K, V](ttl + k.grace),
			RefreshCalculator: otter.RefreshWriting[K, V](ttl),
			Logger:            &otter.NoopLogger{}, // the feed says that nodes are away, once
		}),
		loader: loader[K, V]{load, k.stale},
	}
}

func (c *cached[K, V]) get(ctx context.Context, key K) (V, error) {
	return c.cache.Get(ctx, key, c.loader)
}

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
