package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// stillness is how long something that must not happen is watched for: several
// election timeouts.
const stillness = 3 * time.Second

// Every partition that three miners can suffer, while relays flow: the group has
// one leader throughout that stores relays, followers that are cut off disturb
// nobody, and every relay is paid once.
func TestRaftPartitions(t *testing.T) {
	r := newRack(t, miners)
	params := pocketchain.DefaultParams()
	params.ClaimWindowClose, params.ProofWindowClose = 30, 30 // three failovers in a row
	n, ctx := startOptions(t, devnet.Options{
		Place: r.place, Edit: r.edit(certificates(t)), Chain: pocketchain.Options{Params: &params},
	})
	enough := make(chan struct{})
	paid := n.driveAside(ctx, devnet.DriveOptions{Until: enough})
	for _, step := range []struct {
		name string
		cut  func(leader, a, b string) [][2]string // directions, from and to
		move bool                                  // another must lead
	}{
		{"the leader is alone", func(l, a, b string) [][2]string { return [][2]string{{l, a}, {a, l}, {l, b}, {b, l}} }, true},
		{"the leader hears nobody", func(l, a, b string) [][2]string { return [][2]string{{a, l}, {b, l}} }, true},
		{"nobody hears the leader", func(l, a, b string) [][2]string { return [][2]string{{l, a}, {l, b}} }, true},
		{"a follower is alone", func(l, a, b string) [][2]string { return [][2]string{{a, l}, {l, a}, {a, b}, {b, a}} }, false},
		{"a follower hears nobody", func(l, a, b string) [][2]string { return [][2]string{{l, a}, {b, a}} }, false},
		{"a follower does not hear the leader", func(l, a, b string) [][2]string { return [][2]string{{l, a}} }, false},
		{"a follower and the leader do not meet", func(l, a, b string) [][2]string { return [][2]string{{l, a}, {a, l}} }, false},
	} {
		leader, a, b := n.roles(ctx)
		term := n.metric(ctx, leader, "ha_raft_term")
		links := step.cut(leader, a, b)
		start := time.Now()
		for _, link := range links {
			r.cut(link[0], link[1])
		}
		if step.move {
			next := n.awaitSuccessor(ctx, leader)
			n.await(ctx, step.name+": the next leader stores relays", func() bool { return n.firstFlush(ctx, next).After(start) })
			t.Logf("%s: %s stores relays after %s", step.name, next, n.firstFlush(ctx, next).Sub(start).Round(time.Millisecond))
			n.await(ctx, step.name+": the old leader steps down", func() bool { return n.metric(ctx, leader, leaderMetric) == 0 })
			leader, term = next, n.metric(ctx, next, "ha_raft_term")
		} else {
			n.staysPut(ctx, step.name, leader, term)
		}
		for _, link := range links {
			r.mend(link[0], link[1])
		}
		n.await(ctx, step.name+": all follow again", func() bool { return n.followers(ctx, leader) == 2 })
		if now := n.metric(ctx, leader, "ha_raft_term"); now != term {
			t.Errorf("%s: healing moved the term from %v to %v", step.name, term, now)
		}
	}
	close(enough)
	report := paid()
	checkPaidExactly(t, report, report.RelaysAnswered)
}

// awaitSuccessor waits until a miner other than old leads and holds all partitions.
func (n *network) awaitSuccessor(ctx context.Context, old string) (next string) {
	n.t.Helper()
	n.await(ctx, "another miner holds the partitions", func() bool {
		for _, m := range miners {
			if m != old && n.metric(ctx, m, leaderMetric) == 1 && n.metric(ctx, m, heldMetric) == 16 {
				next = m
				return true
			}
		}
		return false
	})
	return next
}

// staysPut watches that leader leads on in the same term.
func (n *network) staysPut(ctx context.Context, what, leader string, term float64) {
	n.t.Helper()
	for end := time.Now().Add(stillness); time.Now().Before(end) && ctx.Err() == nil; {
		if n.metric(ctx, leader, leaderMetric) != 1 || n.metric(ctx, leader, "ha_raft_term") != term {
			n.t.Errorf("%s: %s was disturbed", what, leader)
			return
		}
	}
}
