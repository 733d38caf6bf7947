package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"time"
)

const (
	leaderMetric     = "ha_raft_is_leader"
	firstFlushMetric = "ha_miner_first_flush_timestamp_seconds"
	pollInterval     = 20 * time.Millisecond
)

// roles are the leader and the two others.
func (n *network) roles(ctx context.Context) (leader, a, b string) {
	n.t.Helper()
	leader, err := n.WaitLeader(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	others := slices.DeleteFunc(slices.Clone(miners), func(m string) bool { return m == leader })
	return leader, others[0], others[1]
}

// metric is a metric of a miner, -1 while it does not answer.
func (n *network) metric(ctx context.Context, name, metric string) float64 {
	value, err := n.Metric(ctx, name, metric)
	if err != nil {
		return -1
	}
	return value
}

// firstFlush is when a miner stored relays first in its newest ownership.
func (n *network) firstFlush(ctx context.Context, miner string) time.Time {
	return time.Unix(0, int64(n.metric(ctx, miner, firstFlushMetric)*1e9))
}

// await polls until done, or ends the test.
func (n *network) await(ctx context.Context, what string, done func() bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("did not come: %s", what)
		}
	}
}

// followers counts the members that answered the leader within a heartbeat.
func (n *network) followers(ctx context.Context, leader string) (count int) {
	var members []struct {
		LastContactMS *int64 `json:"last_contact_ms"`
		Leader        bool   `json:"leader"`
	}
	out, err := n.raftctl(ctx, leader, "members", "-o", "json")
	if err != nil || json.Unmarshal(out, &members) != nil {
		return 0
	}
	for _, m := range members {
		if !m.Leader && m.LastContactMS != nil && *m.LastContactMS < 500 {
			count++
		}
	}
	return count
}

// raftctl runs raftctl on a miner's admin socket.
func (n *network) raftctl(ctx context.Context, miner string, args ...string) ([]byte, error) {
	for _, m := range n.Manifest().Miners {
		if m.Name == miner {
			args = append(args, "--addr", m.AdminAddr)
		}
	}
	return exec.CommandContext(ctx, binary(n.t, "raftctl"), args...).Output()
}
