package raftfsm

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// flipBit changes one number in the state of one replica, as a bug or bad memory
// would.
func flipBit(n *Node, id string) {
	n.fsm.mu.Lock()
	defer n.fsm.mu.Unlock()
	changed := *n.fsm.state.session(key(id))
	changed.Count ^= 1
	n.fsm.state.sessions.Set(&changed)
}

// sealedGroup is a group of three with a session, each member answering the others.
func sealedGroup(t *testing.T) (c *loopback, leader *member, followers []*member) {
	t.Helper()
	c = startLoopback(t, 3)
	for _, m := range c.members {
		serveAdmin(t, m)
	}
	leader, epoch := c.leader()
	for _, m := range c.members {
		if m != leader {
			followers = append(followers, m)
		}
	}
	s := seal("s")
	s.Epoch = epoch
	if _, err := leader.node.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return c, leader, followers
}

// verified are the members that have the leader's hash, after all have answered.
func verified(t *testing.T, leader *member) (agree []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		v, err := leader.node.Verify(ctx)
		if errors.Is(err, ErrHeldBack) && ctx.Err() == nil {
			continue // the members have not met yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(v.Members, func(m MemberHash) bool { return m.Error != "" }) && ctx.Err() == nil {
			continue // its admin API is not up yet
		}
		for _, m := range v.Members {
			if m.Error != "" {
				t.Errorf("%s: %s", m.ID, m.Error)
			} else if bytes.Equal(m.Hash, v.Hash) {
				agree = append(agree, m.ID)
			}
		}
		slices.Sort(agree)
		return agree
	}
}

func awaitDiverged(t *testing.T, m *member) {
	t.Helper()
	select {
	case <-m.node.failed:
		wantError(t, m.node.failure, ErrDiverged)
	case <-time.After(patience):
		t.Fatalf("%s goes on with a state of its own", m.cfg.NodeID)
	}
	// Its own Run ends with the reason; the group's clean-up has nothing left to do.
	wantError(t, <-m.done, ErrDiverged)
	m.done <- nil
}

func TestDivergedFollowerStops(t *testing.T) {
	_, leader, followers := sealedGroup(t)
	all := []string{"miner-1", "miner-2", "miner-3"}
	if agree := verified(t, leader); !slices.Equal(agree, all) {
		t.Fatalf("%v agree, want all", agree)
	}
	bad, good := followers[0], followers[1]
	flipBit(bad.node, "s")
	if agree := verified(t, leader); len(agree) != 2 || slices.Contains(agree, bad.cfg.NodeID) {
		t.Fatalf("%v agree, want all but %s", agree, bad.cfg.NodeID)
	}
	if err := leader.node.compareStates(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitDiverged(t, bad)
	if _, known := stateAgreed(bad.node); known {
		t.Error("the diverged state was found to agree")
	}
	if _, err := bad.node.fsm.Snapshot(); !errors.Is(err, ErrDiverged) {
		t.Errorf("the diverged state can still be saved: %v", err)
	}
	for _, m := range []*member{leader, good} {
		awaitAgreed(t, m)
		select {
		case <-m.node.failed:
			t.Errorf("%s stopped too: %v", m.cfg.NodeID, m.node.failure)
		default:
		}
	}
}

// awaitAgreed waits until the metric says that a state was compared and found good.
func awaitAgreed(t *testing.T, m *member) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); ; <-ticker.C {
		if age, known := stateAgreed(m.node); known && age < patience.Seconds() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s was never found to agree", m.cfg.NodeID)
		}
	}
}

// One bad leader must not stop a good majority.
func TestOutvotedLeaderStops(t *testing.T) {
	_, leader, followers := sealedGroup(t)
	verified(t, leader) // all answer
	flipBit(leader.node, "s")
	if err := leader.node.compareStates(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitDiverged(t, leader)
	for _, m := range followers {
		select {
		case <-m.node.failed:
			t.Errorf("%s stopped too: %v", m.cfg.NodeID, m.node.failure)
		default:
		}
	}
}

// The comparison comes by itself while a node leads.
func TestLeaderComparesByItself(t *testing.T) {
	c, leader, followers := sealedGroup(t)
	verified(t, leader) // all answer
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, m := range c.members {
		running.Go(func() { m.node.CompareStates(ctx, 50*time.Millisecond) })
	}
	defer running.Wait()
	defer cancel()
	flipBit(followers[0].node, "s")
	awaitDiverged(t, followers[0])
	if leader.node.leading.Load() == nil {
		t.Error("the leader stepped down")
	}
}

// A hash that takes a while is compared once it is there.
func TestLateHashIsCompared(t *testing.T) {
	s := run(t, append(opened(), ok(seal("s"))...))
	right, err := s.Hash()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		want   stateHash
		differ bool
	}{"same": {right, false}, "other": {stateHash{1}, true}} {
		t.Run(name, func(t *testing.T) {
			told := make(chan uint64, 1)
			m := newMarks(func(index uint64, _, _ stateHash) { told <- index })
			m.kept, m.hashing = []*mark{{index: 7, state: s}}, true
			if _, differs := m.expect(7, test.want); differs {
				t.Fatal("compared before there is a hash")
			}
			m.run()
			if got := len(told) == 1; got != test.differ {
				t.Errorf("told of a difference: %v, want %v", got, test.differ)
			}
			if _, differs := m.expect(7, test.want); differs != test.differ {
				t.Errorf("afterwards: %v, want %v", differs, test.differ)
			}
		})
	}
}

// A replay has many marks, and only the last are of any use.
func TestMarksOfAReplay(t *testing.T) {
	f, reasons := newTestFSM()
	fed(t, f, 1, Init{"c", 4}, OpenEpoch{epoch1, "m"}, seal("s"))
	const last = 1000
	for index := uint64(4); index <= last; index++ {
		fed(t, f, index, Mark{Epoch: epoch1})
	}
	var want stateHash
	f.View(func(s *State) {
		var err error
		if want, err = s.Hash(); err != nil {
			t.Fatal(err)
		}
	})
	for index := uint64(last - marksKept + 1); index <= last; index++ {
		if got, err := f.marks.await(t.Context(), index); err != nil || got != want {
			t.Errorf("hash at %d: %x, %v, want %x", index, got, err, want)
		}
	}
	_, err := f.marks.await(t.Context(), 4)
	wantError(t, err, ErrNotFound)
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = f.marks.await(soon, last+1)
	wantError(t, err, context.DeadlineExceeded)

	wrong := make([]byte, len(want))
	fed(t, f, last+1, Compare{epoch1, 4, wrong, CommandSet}, Compare{epoch1, last, wrong, CommandSet + 1}, Compare{epoch1, last, want[:], CommandSet})
	if len(*reasons) != 0 {
		t.Fatalf("stopped: %v", *reasons)
	}
	fed(t, f, last+10, Compare{epoch1, last, wrong, CommandSet}, seal("t"))
	if len(*reasons) != 1 || !errors.Is((*reasons)[0], ErrDiverged) {
		t.Fatalf("reasons to stop: %v", *reasons)
	}
	f.View(func(s *State) {
		if _, found := s.Session(key("t")); found {
			t.Error("it goes on after it diverged")
		}
	})
}

func TestMarkRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		cmd  Command
		want error
	}{
		"mark of an old epoch":       {Mark{Epoch: epoch2}, ErrStaleEpoch},
		"comparison of an old epoch": {Compare{Epoch: epoch2, Hash: make([]byte, 32)}, ErrStaleEpoch},
		"comparison without a hash":  {Compare{Epoch: epoch1}, ErrInvalid},
	} {
		_, err := run(t, opened()).Apply(test.cmd)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}
