package ingest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// storedNodes are the fields of a session's nodes: leaves or the others.
func storedNodes(t *testing.T, rdb *redis.Client, key string, leaves bool) []string {
	t.Helper()
	all, err := rdb.HGetAll(context.Background(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(all, func(_, node string) bool { return (node[0] == 3) == leaves })
	return slices.Sorted(maps.Keys(all))
}

func TestLostNodesAreRepaired(t *testing.T) {
	ref := testRef(1)
	nodes := testKeys().Nodes(ref.Key())
	const stored, sheaves = 60, 5 // records of leaves
	tests := map[string]struct {
		trim   bool
		seal   bool
		damage func(t *testing.T, rdb *redis.Client)
		lost   int
		err    error
	}{
		"inner node": {trim: true, damage: func(t *testing.T, rdb *redis.Client) {
			rdb.HDel(context.Background(), nodes, storedNodes(t, rdb, nodes, false)[:10]...)
		}},
		"corrupt inner node": {trim: true, damage: func(t *testing.T, rdb *redis.Client) {
			for _, field := range storedNodes(t, rdb, nodes, false) {
				rdb.HSet(context.Background(), nodes, field, "\x01junk")
			}
		}},
		"leaf in the stream": {damage: func(t *testing.T, rdb *redis.Client) {
			rdb.HDel(context.Background(), nodes, storedNodes(t, rdb, nodes, true)[:1]...)
		}},
		"everything, in the stream": {damage: func(t *testing.T, rdb *redis.Client) { rdb.Del(context.Background(), nodes) }},
		"leaf nowhere else": {trim: true, lost: stored / sheaves, damage: func(t *testing.T, rdb *redis.Client) {
			fields := append(storedNodes(t, rdb, nodes, true)[:1], storedNodes(t, rdb, nodes, false)...)
			rdb.HDel(context.Background(), nodes, fields...)
		}},
		"inner nodes of a sealed tree": {trim: true, seal: true, damage: func(t *testing.T, rdb *redis.Client) {
			rdb.HDel(context.Background(), nodes, storedNodes(t, rdb, nodes, false)...)
		}},
		"leaf of a sealed tree": {trim: true, seal: true, err: errUnrepaired, damage: func(t *testing.T, rdb *redis.Client) {
			fields := append(storedNodes(t, rdb, nodes, true)[:1], storedNodes(t, rdb, nodes, false)...)
			rdb.HDel(context.Background(), nodes, fields...)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rdb := startRedis(t)
			p, ctx := newTestPublisher(t, rdb), context.Background()
			var relays []MinedRelay
			for n := range stored {
				relays = append(relays, testRelay(t, ref, n))
			}
			old := testOwner(t, rdb, 1)
			for some := range slices.Chunk(relays, stored/sheaves) {
				publish(t, p, some...)
				consumeAll(t, old)
			}
			if test.seal {
				if _, err := old.Seal(ctx, ref.Key()); err != nil {
					t.Fatal(err)
				}
			}
			if test.trim {
				if err := old.Trim(ctx, old.Mark()); err != nil {
					t.Fatal(err)
				}
			}
			test.damage(t, rdb)
			left := leavesLeft(t, rdb, nodes, relays)

			o := testOwner(t, rdb, 2)
			if test.seal {
				if _, err := o.Prove(ctx, ref.Key(), make([]byte, 32)); !errors.Is(err, test.err) {
					t.Errorf("prove: got %v, want %v", err, test.err)
				}
				return
			}
			for n := stored; n < 2*stored; n++ {
				r := testRelay(t, ref, n)
				publish(t, p, r)
				relays, left = append(relays, r), append(left, r)
			}
			head, err := o.Seal(ctx, ref.Key())
			if err != nil {
				t.Fatal(err)
			}
			want := relays
			if test.lost > 0 {
				want = left
			}
			if root := reference(t, want); !bytes.Equal(head.Root, root) {
				t.Errorf("got %d relays with root %x, want %d with %x", head.Count, head.Root, len(want), root)
			}
			if got := testutil.ToFloat64(o.metrics.lost); got != float64(test.lost) {
				t.Errorf("%v relays reported lost, want %d", got, test.lost)
			}
			for _, r := range want {
				path := sessiontree.Path(r.Relay)
				if _, err := o.Prove(ctx, ref.Key(), path[:]); err != nil {
					t.Errorf("prove %x: %v", path, err)
				}
			}
			if got := testutil.ToFloat64(o.metrics.repaired); got != 1 {
				t.Errorf("%v repairs counted, want 1", got)
			}
		})
	}
}

// leavesLeft are the relays whose leaves are still stored.
func leavesLeft(t *testing.T, rdb *redis.Client, key string, relays []MinedRelay) (left []MinedRelay) {
	t.Helper()
	all, err := rdb.HGetAll(context.Background(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	stored := make(map[string]bool)
	for digest, data := range all {
		for relay := range sessiontree.Relays(sessiontree.Node{Digest: sessiontree.Digest([]byte(digest)), Data: []byte(data)}, testWeight) {
			stored[string(relay)] = true
		}
	}
	for _, r := range relays {
		if stored[string(r.Relay)] {
			left = append(left, r)
		}
	}
	return left
}
