package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

const heldMetric = "ha_miner_partitions_held"

// startSpread boots a network whose miners share the partitions, and waits until
// they do.
func startSpread(t *testing.T, failpoint string) (*network, context.Context) {
	t.Helper()
	n, ctx := startWith(t, failpoint, func(_ string, config map[string]any) {
		if miner, ok := config["miner"].(map[string]any); ok {
			miner["ingest"] = map[string]any{"spread": true}
		}
	})
	n.await(ctx, "every miner holds partitions", func() bool { return n.spread(ctx, miners...) })
	return n, ctx
}

// spread says that these miners hold all partitions, none of them many more than
// another.
func (n *network) spread(ctx context.Context, names ...string) bool {
	var held []float64
	total := 0.0
	for _, name := range names {
		held = append(held, n.metric(ctx, name, heldMetric))
		total += held[len(held)-1]
	}
	return total == 16 && slices.Max(held)-slices.Min(held) <= 1
}

// holders are who holds how many partitions, in the words of the group.
func (n *network) holders(ctx context.Context, miner string) map[string]int {
	n.t.Helper()
	var status struct {
		Partitions map[string]int `json:"partitions"`
	}
	out, err := n.raftctl(ctx, miner, "status", "-o", "json")
	if err == nil {
		err = json.Unmarshal(out, &status)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return status.Partitions
}

// All three miners build trees. One that dies loses its partitions to the others
// while relays flow, gets some again when it is back, and so does the leader; every
// relay that was answered is paid.
func TestIngestPartitionsAreSpread(t *testing.T) {
	n, ctx := startSpread(t, "")
	leader, dies, stays := n.roles(ctx)
	if got := n.holders(ctx, leader); len(got) != 3 || slices.Max(slices.Collect(maps.Values(got))) != 6 {
		t.Errorf("the group says %v, want 16 partitions over three", got)
	}
	report := n.driveAside(ctx, devnet.DriveOptions{})
	n.await(ctx, "relays are in the trees of every miner", func() bool {
		return !slices.ContainsFunc(miners, func(m string) bool { return n.metric(ctx, m, "ha_miner_relays_added_to_smst_total") <= 0 })
	})
	if err := n.Kill(dies, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.await(ctx, "the other two hold all partitions", func() bool { return n.spread(ctx, leader, stays) })
	if err := n.Restart(ctx, dies); err != nil {
		t.Fatal(err)
	}
	n.await(ctx, "the third holds partitions again", func() bool { return n.spread(ctx, miners...) })
	if err := n.Kill(leader, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.await(ctx, "the followers hold all partitions", func() bool { return n.spread(ctx, dies, stays) })
	if err := n.Restart(ctx, leader); err != nil {
		t.Fatal(err)
	}
	checkPaid(t, report())
}

// A holder that stops in the middle of a flush, until others have its partitions,
// wakes up with the write under way. It is refused, by the fence.
func TestIngestStoppedHolderIsRefused(t *testing.T) {
	n, ctx := startSpread(t, "flush.before_script=stop")
	report := n.driveAside(ctx, devnet.DriveOptions{})
	if !n.hit(ctx) {
		t.Fatal("no miner was stopped")
	}
	var stopped string
	n.await(ctx, "the two others hold all partitions", func() bool {
		for i, m := range miners {
			others := slices.Delete(slices.Clone(miners), i, i+1)
			if n.spread(ctx, others...) {
				stopped = m
				return true
			}
		}
		return false
	})
	if err := n.Kill(stopped, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.await(ctx, "its write is refused", func() bool { return n.metric(ctx, stopped, "ha_miner_flush_fenced_total") > 0 })
	n.await(ctx, "it holds partitions again", func() bool { return n.spread(ctx, miners...) })
	checkPaid(t, report())
}
