// Package redistest makes a Redis Cluster of servers that a test runs.
package redistest

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// upWithin is how long servers may take to agree on being a Cluster.
const upWithin = 30 * time.Second

// Cluster joins empty servers, all of them masters, and waits until they serve.
func Cluster(t testing.TB, addrs ...string) *redis.ClusterClient {
	t.Helper()
	create := slices.Concat([]string{"--cluster", "create"}, addrs, []string{"--cluster-replicas", "0", "--cluster-yes"})
	if out, err := exec.Command("redis-cli", create...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = rdb.Close() })
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(upWithin)
	for rdb.ForEachMaster(context.Background(), up) != nil {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatal("the cluster is not up")
		}
	}
	return rdb
}

func up(ctx context.Context, node *redis.Client) error {
	state, err := node.ClusterInfo(ctx).Result()
	if err == nil && !strings.Contains(state, "cluster_state:ok") {
		err = errors.New("not up")
	}
	return err
}
