package raftfsm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// wipe takes a member's disk away, as a new machine under the old name has it.
func (s *sim) wipe(n *simNode) {
	s.crash(n)
	n.disk = newSimDisk()
	n.identity = simIdentity(n.cfg.NodeID)
	n.identity.id.Instance += " wiped"
}

// away are the members other than n.
func (s *sim) away(n *simNode) (others []*simNode) {
	for _, other := range s.nodes {
		if other != n {
			others = append(others, other)
		}
	}
	return others
}

// A write that only the leader and one follower have must survive that the leader
// goes away and the follower loses its disk: the blank one and the third, who
// never heard of the write, are two of three, and must not go on without it.
func TestBlankVoterElectsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 1, 3)
		defer s.end()
		time.Sleep(5 * time.Second)
		leader := s.leading()
		late, victim := s.away(leader)[0], s.away(leader)[1]
		s.isolate(late)
		time.Sleep(time.Second) // writes go on with two of three
		s.crash(leader)
		s.wipe(victim)
		s.heal()
		s.start(victim)
		time.Sleep(time.Minute)
		if other := s.leading(); other != nil {
			t.Fatalf("%s leads without what was acknowledged", other.cfg.NodeID)
		}
		if why := victim.node.waitingFor(); !strings.Contains(why, "formed already") {
			t.Errorf("the blank member says %q", why)
		}
		s.start(leader)
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			if s.leading() != nil {
				break
			}
		}
		if s.leading() == nil {
			t.Fatal("the two that kept their data do not go on")
		}
		if last := victim.node.Status().LastIndex; last != 0 {
			t.Errorf("the blank member was given %d entries under its old name", last)
		}
	})
}

// Two members that lost everything must not begin a second group.
func TestMajorityOfBlanksFormsNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 2, 3)
		defer s.end()
		time.Sleep(5 * time.Second)
		survivor := s.nodes[0]
		for _, n := range s.away(survivor) {
			s.wipe(n)
		}
		s.crash(survivor)
		for _, n := range s.away(survivor) {
			s.start(n)
		}
		time.Sleep(time.Minute)
		s.start(survivor)
		time.Sleep(time.Minute)
		if n := s.leading(); n != nil {
			t.Errorf("%s leads", n.cfg.NodeID)
		}
	})
}

// A first member that crashed between being counted on and writing its log comes
// back into the group.
func TestBootstrapIsFinishedAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, 3, 3)
		defer s.end()
		time.Sleep(5 * time.Second)
		n := s.away(s.leading())[0]
		s.crash(n)
		n.disk = newSimDisk() // it never wrote, but it is the same directory
		s.start(n)
		if err := s.settle(); err != nil {
			t.Error(err)
		}
	})
}

func TestJudge(t *testing.T) {
	s := struct{ *Node }{judgeNode(t)}
	good := hello{Protocol: helloVersion, ClusterID: "test", NodeID: "m2", Instance: "m2-1", Generation: 1, Admission: 2}
	edit := func(change func(*hello)) hello { h := good; change(&h); return h }
	tests := map[string]struct {
		hello hello
		want  error
	}{
		"member":                     {good, nil},
		"restarted, knows nothing":   {edit(func(h *hello) { h.Admission = 0 }), nil},
		"admitted again, news to us": {edit(func(h *hello) { h.Instance, h.Admission = "m2-2", 9 }), nil},
		"newcomer":                   {edit(func(h *hello) { h.NodeID, h.Instance, h.Generation, h.Blank = "m9", "m9-1", 0, true }), nil},
		"another protocol":           {edit(func(h *hello) { h.Protocol++ }), ErrPeer},
		"another cluster":            {edit(func(h *hello) { h.ClusterID = "other" }), ErrPeer},
		"no instance":                {edit(func(h *hello) { h.Instance = "" }), ErrPeer},
		"our own id":                 {edit(func(h *hello) { h.NodeID = "m1" }), ErrPeer},
		"another directory":          {edit(func(h *hello) { h.Instance, h.Admission = "m2-2", 0 }), ErrLostData},
		"retired directory":          {edit(func(h *hello) { h.NodeID, h.Instance = "m3", "m3-1" }), ErrLostData},
		"before a recovery":          {edit(func(h *hello) { h.Generation = 2 }), ErrLostData},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := s.judge(test.hello)
			if !errors.Is(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// judgeNode is m1 in a group where m2 is enrolled and m3 was removed.
func judgeNode(t *testing.T) *Node {
	t.Helper()
	c := startLoopbackWith(t, 1, func(cfg *Config) {
		cfg.NodeID = "m1"
		cfg.Peers[0].ID = "m1"
	})
	leader, epoch := c.leader()
	for _, cmd := range []Command{
		Admit{Epoch: epoch, NodeID: "m2", Instance: "m2-1"}, Admit{Epoch: epoch, NodeID: "m3", Instance: "m3-1"},
		Retire{Epoch: epoch, NodeID: "m3"},
	} {
		if _, err := leader.node.Apply(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	return leader.node
}

// A node whose log is gone is another instance; with snapshots left over it does
// not start at all.
func TestLostLog(t *testing.T) {
	cfg := Config{NodeID: "m1", ClusterID: "test", DataDir: t.TempDir(), Bind: freeAddrs(t, 1)[0], Partitions: 1}
	opened := func() (identity, error) {
		n, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
		if err != nil {
			return identity{}, err
		}
		id := n.identity.get()
		return id, n.Close()
	}
	first, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := opened(); err != nil || again.Instance != first.Instance {
		t.Errorf("restart: instance %s became %s, %v", first.Instance, again.Instance, err)
	}
	if err := os.Truncate(filepath.Join(cfg.DataDir, logFile), 0); err != nil {
		t.Fatal(err)
	}
	if other, err := opened(); err != nil || other.Instance == first.Instance {
		t.Errorf("an emptied log keeps instance %s, %v", first.Instance, err)
	}
	if err := os.Remove(filepath.Join(cfg.DataDir, logFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(cfg.DataDir, snapshotDir, "1-2-3"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = opened()
	wantError(t, err, ErrLostData)
}

// What the group knows of a member is on its disk: after a restart it speaks for
// itself before a leader has spoken to it.
func TestAdmissionIsRemembered(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	waitFor(t, "everybody knows its admission", func() bool {
		for _, m := range c.members {
			if id := m.node.identity.get(); id.Admission == 0 || id.Generation != 1 || len(id.First) != 3 {
				return false
			}
		}
		return true
	})
	id, err := readIdentity(filepath.Join(leader.cfg.DataDir, identityFile))
	if err != nil || id.Admission == 0 {
		t.Errorf("on disk: %+v, %v", id, err)
	}
}

// waitFor polls what has no event to wait on.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", patience, what)
		case <-ticker.C:
		}
	}
}
