package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest"
)

const (
	flushesMetric = "ha_miner_flushes_total"
	fencedMetric  = "ha_miner_flush_fenced_total"
)

// witness looks at what the owners of partitions keep in Redis.
type witness struct {
	*network
	rdb  *redis.Client
	keys ingest.Keys
}

func newWitness(t *testing.T, n *network) *witness {
	w := &witness{
		network: n, rdb: redis.NewClient(&redis.Options{Addr: n.Redis().Addr()}),
		keys: ingest.NewKeys("rm", n.Chain().ID(), "devnet", 16),
	}
	t.Cleanup(func() { _ = w.rdb.Close() })
	return w
}

// count is a metric of a miner that answers.
func (w *witness) count(ctx context.Context, miner, metric string) float64 {
	w.t.Helper()
	value, err := w.Metric(ctx, miner, metric)
	w.check(err)
	return value
}

// check ends the test after an error.
func (w *witness) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// allow changes what the users of miners may do.
func (w *witness) allow(ctx context.Context, rule string, miners ...string) {
	w.t.Helper()
	for _, miner := range miners {
		w.check(w.rdb.Do(ctx, "ACL", "SETUSER", miner, rule).Err())
	}
}

// heldBy are the partitions whose fence is a miner's.
func (w *witness) heldBy(ctx context.Context, miner string) (held []int) {
	w.t.Helper()
	for p := range w.keys.Partitions() {
		owner, err := w.rdb.HGet(ctx, w.keys.Meta(p), "owner").Result()
		w.check(err)
		if owner == miner {
			held = append(held, p)
		}
	}
	return held
}

// stored says that all that was published is in stored trees.
func (w *witness) stored(ctx context.Context) bool {
	w.t.Helper()
	for p := range w.keys.Partitions() {
		if w.lags(ctx, p) {
			return false
		}
	}
	return true
}

// lags says that a stream holds what no stored tree does.
func (w *witness) lags(ctx context.Context, p int) bool {
	w.t.Helper()
	exists, err := w.rdb.Exists(ctx, w.keys.Stream(p)).Result()
	w.check(err)
	if exists == 0 {
		return false
	}
	stream, err := w.rdb.XInfoStream(ctx, w.keys.Stream(p)).Result()
	w.check(err)
	meta, err := w.rdb.HGetAll(ctx, w.keys.Meta(p)).Result()
	w.check(err)
	return stream.LastGeneratedID != meta["cursor"]
}

// anyLags says that one of these partitions does.
func (w *witness) anyLags(ctx context.Context, partitions map[int]bool) bool {
	w.t.Helper()
	for p := range partitions {
		if w.lags(ctx, p) {
			return true
		}
	}
	return false
}

// believes are the partitions that a miner holds as far as it knows: its log tells.
func (w *witness) believes(miner string) map[int]bool {
	holds := make(map[int]bool)
	for line := range bytes.Lines(w.log(miner)) {
		var entry struct {
			Message    string `json:"msg"`
			Partition  int    `json:"partition"`
			Partitions []int  `json:"partitions"`
		}
		if json.Unmarshal(line, &entry) != nil { // its end is yet to come
			continue
		}
		switch {
		case entry.Message == "partitions acquired":
			for _, p := range entry.Partitions {
				holds[p] = true
			}
		case entry.Message == "partitions handed over":
			for _, p := range entry.Partitions {
				delete(holds, p)
			}
		case strings.HasPrefix(entry.Message, "let go of a partition"):
			delete(holds, entry.Partition)
		}
	}
	return holds
}

// read reads what owners write: every key of a partition but meters, field by field.
func (w *witness) read(ctx context.Context) map[string]map[string]string {
	w.t.Helper()
	all, err := w.rdb.Keys(ctx, w.keys.Namespace()+"{p*").Result()
	w.check(err)
	found := make(map[string]map[string]string)
	for _, key := range all {
		fields := make(map[string]string)
		switch _, name, _ := strings.Cut(key, "}:"); {
		case strings.HasPrefix(name, "meter:"): // relayers'
			continue
		case name == "relays":
			entries, err := w.rdb.XRange(ctx, key, "-", "+").Result()
			w.check(err)
			for _, e := range entries {
				fields[e.ID] = fmt.Sprint(e.Values)
			}
		case name == "closed":
			marks, err := w.rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
			w.check(err)
			for _, m := range marks {
				fields[fmt.Sprint(m.Member)] = fmt.Sprint(m.Score)
			}
		default:
			fields, err = w.rdb.HGetAll(ctx, key).Result()
			w.check(err)
		}
		found[key] = fields
	}
	return found
}

// changedKeys are those that differ. To streams relayers may have added.
func changedKeys(before, after map[string]map[string]string) (changed []string) {
	for key := range maps.Keys(after) {
		if before[key] == nil && !strings.HasSuffix(key, "}:relays") {
			changed = append(changed, key)
		}
	}
	for key, fields := range before {
		now := after[key]
		if strings.HasSuffix(key, "}:relays") {
			now = maps.Clone(now)
			maps.DeleteFunc(now, func(id, _ string) bool { _, old := fields[id]; return !old })
		}
		if !maps.Equal(fields, now) {
			changed = append(changed, key)
		}
	}
	return slices.Sorted(slices.Values(changed))
}
