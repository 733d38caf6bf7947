package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest"
)

const (
	// sharedTime bounds a question to Redis: the chain answers in about as long.
	sharedTime = 50 * time.Millisecond
	// sharedPause is how long a Redis that failed is left alone.
	sharedPause = time.Second
)

// answersInRedis are answers of the chain that the relayers of a cluster share. It
// implements chain.Shared.
type answersInRedis struct {
	rdb   redis.UniversalClient
	names ingest.Keys
	pause atomic.Int64 // until when it is left alone, in unix nanoseconds
}

func (a *answersInRedis) key(name string) string {
	return a.names.Namespace() + ingest.KindAnswer + ":" + name
}

// do asks Redis unless it has just failed, and reports whether it answered.
func (a *answersInRedis) do(ctx context.Context, ask func(context.Context) error) bool {
	if time.Now().UnixNano() < a.pause.Load() {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, sharedTime)
	defer cancel()
	err := ask(limited)
	if err != nil && !errors.Is(err, redis.Nil) && ctx.Err() == nil {
		a.pause.Store(time.Now().Add(sharedPause).UnixNano())
	}
	return err == nil
}

// Get implements chain.Shared.
func (a *answersInRedis) Get(ctx context.Context, name string) (value []byte, ok bool) {
	ok = a.do(ctx, func(ctx context.Context) (err error) {
		value, err = a.rdb.Get(ctx, a.key(name)).Bytes()
		return err
	})
	return value, ok
}

// Set implements chain.Shared.
func (a *answersInRedis) Set(ctx context.Context, name string, value []byte, keep time.Duration) {
	a.do(ctx, func(ctx context.Context) error { return a.rdb.Set(ctx, a.key(name), value, keep).Err() })
}

// Drop implements chain.Shared.
func (a *answersInRedis) Drop(ctx context.Context, names []string) {
	a.do(ctx, func(ctx context.Context) error {
		_, err := a.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // one by one: a Cluster has them in many places
			for _, name := range names {
				p.Del(ctx, a.key(name))
			}
			return nil
		})
		return err
	})
}
