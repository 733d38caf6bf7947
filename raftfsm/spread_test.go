package raftfsm

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// newSpreadSim is a group of three with sixteen partitions, whose leaders spread them.
func newSpreadSim(t *testing.T, wide func() bool) (*sim, *supplies, *simNode) {
	supply := &supplies{lacking: make(map[string]bool)}
	s := newSimWith(t, 1, 3, func(n *simNode) {
		redis, chain := supply.need(n.cfg.NodeID, "redis"), supply.need(n.cfg.NodeID, "chain")
		redis.Holders = true
		n.cfg.Needs, n.cfg.Partitions = []Need{redis, chain}, 16
		n.leads = func(ctx context.Context, epoch Epoch) error {
			n.node.SpreadPartitions(ctx, epoch, wide())
			return nil
		}
	})
	return s, supply, s.awaitLeader()
}

// awaitLeader waits for as long as it takes: in fake time that is nothing.
func (s *sim) awaitLeader() *simNode {
	for {
		if leader := s.leading(); leader != nil {
			return leader
		}
		time.Sleep(time.Millisecond)
	}
}

func always() bool { return true }

// holdingCounts is how many partitions members hold, in the order given, as the leader
// knows it.
func (s *sim) holdingCounts(members ...*simNode) (counts []int) {
	held, _ := s.awaitLeader().node.Holdings()
	for _, m := range members {
		count := 0
		for _, h := range held {
			if h.Node == m.cfg.NodeID {
				count++
			}
		}
		counts = append(counts, count)
	}
	return counts
}

// Partitions follow the voters that can work on them.
func TestPartitionsFollowTheVoters(t *testing.T) {
	const gone, back = 3 * time.Second, steadyFor + 3*time.Second
	for name, row := range map[string]struct {
		away, again func(s *sim, supply *supplies, leader, n *simNode) error
	}{
		"killed": {
			func(s *sim, _ *supplies, _, n *simNode) error { s.crash(n); return nil },
			func(s *sim, _ *supplies, _, n *simNode) error { s.start(n); return nil },
		},
		"cut off": {
			func(s *sim, _ *supplies, _, n *simNode) error { s.isolate(n); return nil },
			func(s *sim, _ *supplies, _, _ *simNode) error { s.heal(); return nil },
		},
		"drained": {
			func(_ *sim, _ *supplies, leader, n *simNode) error {
				return leader.node.SetDrained(context.Background(), n.cfg.NodeID, true)
			},
			func(_ *sim, _ *supplies, leader, n *simNode) error {
				return leader.node.SetDrained(context.Background(), n.cfg.NodeID, false)
			},
		},
		"without redis": {
			func(_ *sim, supply *supplies, _, n *simNode) error {
				supply.set(true, n.cfg.NodeID+"/redis")
				return nil
			},
			func(_ *sim, supply *supplies, _, n *simNode) error {
				supply.set(false, n.cfg.NodeID+"/redis")
				return nil
			},
		},
		"a voter no more": {
			func(_ *sim, _ *supplies, leader, n *simNode) error {
				return leader.node.Demote(context.Background(), n.cfg.NodeID, true)
			},
			func(_ *sim, _ *supplies, leader, n *simNode) error {
				return leader.node.Promote(context.Background(), n.cfg.NodeID)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, supply, leader := newSpreadSim(t, always)
				defer s.end()
				a, b := s.away(leader)[0], s.away(leader)[1]
				if got := s.holdingCounts(leader, a, b); got[0] != 16 {
					t.Errorf("at first: got %v, want all with the leader", got)
				}
				time.Sleep(back)
				if got := s.holdingCounts(leader, a, b); slices.Max(got) != 6 || slices.Min(got) != 5 {
					t.Errorf("spread: got %v, want 5 or 6 each", got)
				}
				if err := row.away(s, supply, leader, a); err != nil {
					t.Fatal(err)
				}
				time.Sleep(gone + poorPatience)
				if got := s.holdingCounts(leader, a, b); !slices.Equal(got, []int{8, 0, 8}) {
					t.Errorf("one is away: got %v, want 8, 0, 8", got)
				}
				if err := row.again(s, supply, leader, a); err != nil {
					t.Fatal(err)
				}
				time.Sleep(back)
				if got := s.holdingCounts(leader, a, b); slices.Max(got) != 6 || slices.Min(got) != 5 {
					t.Errorf("it is back: got %v, want 5 or 6 each", got)
				}
			})
		})
	}
}

// What a killed leader held is the next one's with its epoch, and what others held
// stays where it is. With two left, both hold half a little later.
func TestPartitionsOutliveTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, leader := newSpreadSim(t, always)
		defer s.end()
		time.Sleep(steadyFor + 3*time.Second)
		before, _ := leader.node.Holdings()
		s.crash(leader)
		next := s.awaitLeader()
		held, _ := next.node.Holdings()
		for n, h := range held {
			want := before[n].Node
			if want == leader.cfg.NodeID {
				want = next.cfg.NodeID
			}
			if h.Node != want {
				t.Errorf("partition %d is held by %s, want %s", n, h.Node, want)
			}
		}
		time.Sleep(2 * time.Second)
		if got := s.holdingCounts(s.away(leader)...); !slices.Equal(got, []int{8, 8}) {
			t.Errorf("the two that are left hold %v, want 8 each", got)
		}
	})
}

// A chain that is away for all, and a hiccup of Redis, move nothing; neither does
// Redis when nobody has it.
func TestTroubleThatMovesNoPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, supply, leader := newSpreadSim(t, always)
		defer s.end()
		time.Sleep(steadyFor + 3*time.Second)
		before, _ := leader.node.Holdings()
		var chain, redis []string
		for _, n := range s.nodes {
			chain, redis = append(chain, n.cfg.NodeID+"/chain"), append(redis, n.cfg.NodeID+"/redis")
		}
		one := s.away(leader)[0].cfg.NodeID + "/redis"
		for _, trouble := range [][]string{chain, redis} {
			supply.set(true, trouble...)
			time.Sleep(20 * time.Second)
			supply.set(false, trouble...)
			time.Sleep(2 * steadyFor)
		}
		supply.set(true, one)
		time.Sleep(time.Second)
		supply.set(false, one)
		time.Sleep(2 * steadyFor)
		if after, _ := leader.node.Holdings(); !slices.Equal(after, before) {
			t.Errorf("moved from %v to %v", before, after)
		}
	})
}

// Without spreading the leader holds all, also what was spread before.
func TestPartitionsComeBackToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide := true
		s, _, leader := newSpreadSim(t, func() bool { return wide })
		defer s.end()
		time.Sleep(steadyFor + 3*time.Second)
		if got := s.holdingCounts(leader); got[0] != 6 {
			t.Errorf("the leader holds %d, want 6", got[0])
		}
		wide = false
		s.crash(leader)
		next := s.awaitLeader()
		time.Sleep(time.Second)
		if got := s.holdingCounts(next); got[0] != 16 {
			t.Errorf("the next leader holds %d, want 16", got[0])
		}
	})
}
