package redisd_test

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/e2e/devnet/redisd"
)

func TestServerKeepsItsDataOverAKill(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, err := redisd.Start(ctx, redisd.Options{Dir: dir, LogPath: filepath.Join(dir, "redis.log"), Fsync: "always"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Kind() != redisd.RedisServer {
		t.Skip("redis-server is not installed")
	}
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer client.Close()
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Get(ctx, "k").Result(); err != nil || got != "v" {
		t.Errorf("after restart k = %q (%v), want v", got, err)
	}
}

func TestMiniredisStandsIn(t *testing.T) {
	t.Setenv("PATH", "")
	s, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Kind(); got != redisd.Miniredis {
		t.Errorf("kind = %q, want %q", got, redisd.Miniredis)
	}
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer client.Close()
	if err := client.Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}
