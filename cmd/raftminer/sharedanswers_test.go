package main

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest"
)

func TestSharedAnswers(t *testing.T) {
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = rdb.Close() })
	ctx := t.Context()
	of := func(cluster string) *answersInRedis {
		return &answersInRedis{rdb: rdb, names: ingest.NewKeys("rm", "pocket", cluster, 1)}
	}
	a, other := of("one"), of("two")
	want := func(when string, from *answersInRedis, name, value string) {
		t.Helper()
		if got, ok := from.Get(ctx, name); string(got) != value || ok != (value != "") {
			t.Errorf("%s: got %q, %v, want %q", when, got, ok, value)
		}
	}
	// A miniredis on a machine that stands still is one that failed: it is asked again.
	set := func(name, value string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !server.Exists(a.key(name)); {
			if time.Now().After(deadline) {
				t.Fatal("it cannot be set")
			}
			a.pause.Store(0)
			a.Set(ctx, name, []byte(value), time.Minute)
		}
		a.pause.Store(0)
	}
	want("before", a, "session/1", "")
	set("session/1", "x")
	set("session/2", "y")
	want("set", a, "session/1", "x")
	want("another cluster", other, "session/1", "")
	a.Drop(ctx, []string{"session/1", "session/3"})
	want("dropped", a, "session/1", "")
	server.FastForward(time.Minute)
	want("over", a, "session/2", "")
}

// A Redis that is away is asked once in a while, and nobody waits for it.
func TestSharedAnswersWithoutRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	a := &answersInRedis{rdb: rdb, names: ingest.NewKeys("rm", "pocket", "one", 1)}
	a.Set(context.Background(), "session/1", []byte("x"), time.Minute)
	if a.pause.Load() == 0 {
		t.Fatal("it is not left alone")
	}
	asked := a.do(context.Background(), func(context.Context) error {
		t.Error("it is asked again at once")
		return nil
	})
	if _, ok := a.Get(context.Background(), "session/1"); ok || asked {
		t.Error("an answer came from nowhere")
	}
}
