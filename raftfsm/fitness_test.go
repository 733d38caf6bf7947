package raftfsm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// supplies says which members lack what.
type supplies struct {
	mu      sync.Mutex
	lacking map[string]bool // member/need
	silent  string          // the member that gets no answer where others are refused
}

func (s *supplies) set(lacks bool, keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.lacking[key] = lacks
	}
}

func (s *supplies) need(member, name string) Need {
	return Need{Name: name, Check: func(ctx context.Context) error {
		s.mu.Lock()
		lacks, silent := s.lacking[member+"/"+name], s.silent == member
		s.mu.Unlock()
		switch {
		case !lacks:
			return nil
		case silent:
			<-ctx.Done()
			return ctx.Err()
		default:
			return errors.New("connection refused")
		}
	}}
}

// newNeedySim is a group whose members need two things, and the one that leads it.
func newNeedySim(t *testing.T) (*sim, *supplies, *simNode) {
	s, supply := newSim(t, 1, 3), &supplies{lacking: make(map[string]bool)}
	for _, n := range s.nodes {
		s.crash(n)
		n.cfg.Needs = []Need{supply.need(n.cfg.NodeID, "redis"), supply.need(n.cfg.NodeID, "chain")}
		s.start(n)
	}
	s.mu.Lock()
	s.quiet = true
	s.mu.Unlock()
	time.Sleep(3 * time.Second)
	leader := s.leading()
	if leader == nil {
		t.Fatal("no leader")
	}
	return s, supply, leader
}

// A leader hands over to a member that misses less than itself, and only then.
func TestUnfitLeaderYields(t *testing.T) {
	tests := map[string]struct {
		leader, first, second []string // what they lack
		next                  string   // who leads in the end: leader, first, second or any
	}{
		"only the leader lacks something": {[]string{"redis"}, nil, nil, "any"},
		"one other is as badly off":       {[]string{"redis"}, []string{"redis"}, nil, "second"},
		"one other lacks the other thing": {[]string{"redis"}, []string{"chain"}, nil, "second"},
		"one other lacks less":            {[]string{"redis", "chain"}, []string{"redis"}, []string{"redis", "chain"}, "first"},
		"all lack the same":               {[]string{"redis"}, []string{"redis"}, []string{"redis"}, "leader"},
		"followers lack what it has":      {nil, []string{"redis"}, []string{"redis", "chain"}, "leader"},
		"the others lack the other thing": {[]string{"chain"}, []string{"redis"}, []string{"redis"}, "leader"},
		"everybody lacks everything":      {[]string{"redis", "chain"}, []string{"redis", "chain"}, []string{"redis", "chain"}, "leader"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, supply, leader := newNeedySim(t)
				defer s.end()
				role := map[*simNode]string{leader: "leader", s.away(leader)[0]: "first", s.away(leader)[1]: "second"}
				for n, lacks := range map[*simNode][]string{leader: test.leader, s.away(leader)[0]: test.first, s.away(leader)[1]: test.second} {
					for _, what := range lacks {
						supply.set(true, n.cfg.NodeID+"/"+what)
					}
				}
				term := leader.node.Status().Term
				time.Sleep(unfitPatience + 2*time.Second)
				got := s.leading()
				if got == nil || test.next == "any" && got == leader || test.next != "any" && role[got] != test.next {
					t.Fatalf("%s leads, want %s", role[got], test.next)
				}
				want := term
				if test.next != "leader" {
					want++
				}
				time.Sleep(yieldEvery + 10*time.Second) // and it stays so
				if now := s.leading(); now != got || now.node.Status().Term != want {
					t.Errorf("later %s leads in term %d, want %s in term %d", role[now], now.node.Status().Term, role[got], want)
				}
			})
		})
	}
}

// A connection that comes back within moments is no reason to hand over.
func TestHiccupMovesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, supply, leader := newNeedySim(t)
		defer s.end()
		term := leader.node.Status().Term
		for range 20 {
			supply.set(true, leader.cfg.NodeID+"/redis")
			time.Sleep(unfitPatience / 2)
			supply.set(false, leader.cfg.NodeID+"/redis")
			time.Sleep(2 * needInterval)
		}
		if now := leader.node.Status(); !now.Leading || now.Term != term {
			t.Errorf("term %d became %d", term, now.Term)
		}
	})
}

// Redis was gone for everybody and is back for everybody: leadership stays where it
// is, also when the leader notices last.
func TestCommonOutageMovesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, supply, leader := newNeedySim(t)
		defer s.end()
		supply.mu.Lock()
		supply.silent = leader.cfg.NodeID
		supply.mu.Unlock()
		var everybody []string
		for _, n := range s.nodes {
			everybody = append(everybody, n.cfg.NodeID+"/redis")
		}
		term := leader.node.Status().Term
		const cycle = needInterval + needTimeout
		for offset := time.Duration(0); offset < cycle; offset += 70 * time.Millisecond {
			supply.set(true, everybody...)
			time.Sleep(unfitPatience + 2*cycle + offset)
			supply.set(false, everybody...)
			time.Sleep(2 * cycle)
		}
		if now := leader.node.Status(); !now.Leading || now.Term != term {
			t.Errorf("term %d became %d", term, now.Term)
		}
	})
}

// Whoever leads loses its connection: leadership must not go round and round.
func TestYieldsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, supply, leader := newNeedySim(t)
		defer s.end()
		term := leader.node.Status().Term
		const watched = 2 * time.Minute
		for start := time.Now(); time.Since(start) < watched; time.Sleep(100 * time.Millisecond) {
			for _, n := range s.nodes {
				supply.set(n == s.leading(), n.cfg.NodeID+"/redis")
			}
		}
		moved := s.leading().node.Status().Term - term
		if least, most := uint64(2), uint64(watched/yieldEvery)+1; moved < least || moved > most {
			t.Errorf("leadership moved %d times in %s, want %d to %d", moved, watched, least, most)
		}
	})
}
