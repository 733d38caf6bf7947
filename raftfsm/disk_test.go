package raftfsm

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/prometheus/client_golang/prometheus"
)

// A leader whose disk hangs must go: raft itself would keep it for ever.
func TestStuckDiskEndsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 3)
		exits := make(chan error, len(s.nodes))
		for _, n := range s.nodes {
			s.crash(n)
			n.cfg.Exit = func(reason error) { exits <- reason }
			s.start(n)
		}
		time.Sleep(3 * time.Second)
		leader := s.leading()
		if leader == nil {
			t.Fatal("no leader")
		}
		leader.disk.hold()
		before := time.Now()
		reason := <-exits
		wantError(t, reason, ErrDiskStalled)
		if took := time.Since(before); took < DefaultStallLimit || took > DefaultStallLimit+time.Second {
			t.Errorf("noticed after %s, want about %s", took, DefaultStallLimit)
		}
		for s.successor(leader) == nil {
			time.Sleep(10 * time.Millisecond)
			if time.Since(before) > 30*time.Second {
				t.Fatal("nobody took over from a leader whose disk hangs")
			}
		}
		t.Logf("next leader %s after the disk began to hang", time.Since(before))
		leader.disk.release()
		s.end()
	})
}

// A follower's hanging disk is no reason for anybody else to do anything.
func TestStuckFollowerDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 3)
		time.Sleep(3 * time.Second)
		leader := s.leading()
		term := leader.node.Status().Term
		for _, n := range s.nodes {
			if n != leader {
				n.disk.hold()
				time.Sleep(DefaultStallLimit / 2)
				n.disk.release()
				break
			}
		}
		time.Sleep(3 * time.Second)
		if got := leader.node.Status(); got.Term != term || !got.Leading {
			t.Errorf("term %d became %d", term, got.Term)
		}
		if err := s.settle(); err != nil {
			t.Error(err)
		}
		s.end()
	})
}

// failingLogs is a log on a disk that is full.
type failingLogs struct{ raft.LogStore }

var errNoSpace = errors.New("no space left on device")

func (failingLogs) StoreLogs([]*raft.Log) error { return errNoSpace }

func TestFailedWriteEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 1)
		n := s.nodes[0]
		s.crash(n)
		store := storage{logs: failingLogs{n.disk}, stable: n.disk, snapshots: n.disk.snapshots}
		node, err := open(n.cfg, n.identity, store, s.net.listen(n.cfg.Bind), prometheus.NewRegistry(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		err = node.Run(t.Context(), func(context.Context, Epoch) error { return nil })
		wantError(t, err, ErrDiskFailed)
		wantError(t, err, errNoSpace)
		s.end()
	})
}

// successor is a member other than before that leads.
func (s *sim) successor(before *simNode) *simNode {
	for _, n := range s.nodes {
		if n != before && n.node != nil && n.node.Status().Leading {
			return n
		}
	}
	return nil
}

// leading is the member that says it leads, nil if none or several do.
func (s *sim) leading() *simNode {
	var found *simNode
	for _, n := range s.nodes {
		if n.node != nil && n.node.Status().Leading {
			if found != nil {
				return nil
			}
			found = n
		}
	}
	return found
}
