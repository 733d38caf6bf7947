package chain

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// cached is a bounded read-through cache. Concurrent loads of one key are one
// query (otter calls the loader once per key), and errors are not kept.
type cached[K comparable, V any] struct {
	cache *otter.Cache[K, V]
	load  otter.LoaderFunc[K, V]
}

// newCached keeps up to size values, each for at most ttl.
func newCached[K comparable, V any](size int, ttl time.Duration, load func(context.Context, K) (V, error)) *cached[K, V] {
	return &cached[K, V]{
		cache: otter.Must(&otter.Options[K, V]{
			MaximumSize:      size,
			ExpiryCalculator: otter.ExpiryWriting[K, V](ttl),
		}),
		load: load,
	}
}

func (c *cached[K, V]) get(ctx context.Context, key K) (V, error) {
	if v, ok := c.cache.GetIfPresent(key); ok {
		return v, nil
	}
	return c.cache.Get(ctx, key, c.load)
}
