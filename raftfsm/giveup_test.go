package raftfsm

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A leader that wakes up after it was replaced finds its lead failing, fenced, while
// raft still takes it for the leader. It cannot hand over what it does not have, and
// that is no reason to stop: it goes on as a follower.
func TestReplacedLeaderGoesOnAsFollower(t *testing.T) {
	// Raft steps down when a lease is over; before and after that it is another case.
	for _, percent := range []time.Duration{50, 80, 88, 92, 94, 96, 98, 100, 102, 120} {
		delay := DefaultLeaderLeaseTimeout * percent / 100
		synctest.Test(t, func(t *testing.T) { failLeadAfter(t, delay) })
	}
}

// failLeadAfter fails the lead of a leader that was cut off for so long.
func failLeadAfter(t *testing.T, delay time.Duration) {
	s := newSim(t, 1, 3)
	defer s.end()
	fenced := make(chan struct{}, 1)
	for _, n := range s.nodes {
		s.crash(n)
		n.leads = func(ctx context.Context, _ Epoch) error {
			select {
			case <-ctx.Done():
				return nil
			case <-fenced:
				return errors.New("fenced")
			}
		}
		s.start(n)
	}
	time.Sleep(3 * time.Second)
	old := s.leading()
	if old == nil {
		t.Fatal("no leader")
	}
	s.isolate(old)
	time.Sleep(delay)
	if !old.node.Status().Leading {
		return // it noticed by itself
	}
	fenced <- struct{}{}
	time.Sleep(5 * time.Second)
	s.heal()
	time.Sleep(5 * time.Second)
	select {
	case <-old.ended:
		t.Errorf("%s stopped when its lead failed %s after it was cut off", old.cfg.NodeID, delay)
	default:
	}
	if now := s.leading(); now == nil || now == old {
		t.Error("no other member leads")
	}
}

// A leader whose heartbeats arrive and whose entries do not stays the leader for
// raft, for ever. It stops, and another one leads.
func TestWedgedLeaderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 3)
		defer s.end()
		s.mu.Lock()
		s.quiet = true
		s.mu.Unlock()
		time.Sleep(3 * time.Second)
		old := s.leading()
		if old == nil {
			t.Fatal("no leader")
		}
		s.net.setMute(old.cfg.Advertise)
		time.Sleep(2 * time.Second)
		if now := s.leading(); now != old {
			t.Fatal("the leader was replaced while its heartbeats arrived")
		}
		time.Sleep((wedgedBeats + 3) * pulseInterval)
		select {
		case <-old.ended:
		default:
			t.Error("the wedged leader goes on")
		}
		if !errors.Is(old.node.failure, ErrWedged) {
			t.Errorf("it ended with %v", old.node.failure)
		}
		if now := s.leading(); now == nil || now == old {
			t.Error("no other member leads")
		}
	})
}
