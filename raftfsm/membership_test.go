package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// newcomer starts a node that waits to be added.
func (c *loopback) newcomer(id string, change ...func(*Config)) *member {
	c.t.Helper()
	m := &member{cfg: Config{
		NodeID: id, DataDir: c.t.TempDir(), Bind: freeAddrs(c.t, 1)[0], ClusterID: "test", Partitions: 4, Version: "test",
	}}
	for _, edit := range change {
		edit(&m.cfg)
	}
	c.members = append(c.members, m)
	c.start(m)
	return m
}

// promoted adds m to the group of leader, and lets it vote once it is caught up.
func promoted(t *testing.T, leader, m *member) {
	t.Helper()
	if err := leader.node.AddMember(t.Context(), m.cfg.NodeID, m.cfg.Bind); err != nil {
		t.Fatal(err)
	}
	promoteSoon(t, leader, m.cfg.NodeID)
}

func promoteSoon(t *testing.T, leader *member, id string) {
	t.Helper()
	waitFor(t, id+" votes", func() bool {
		err := leader.node.Promote(t.Context(), id)
		if err != nil && !errors.Is(err, ErrBehind) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func suffrageOf(n *Node, id string) string {
	for _, m := range n.Members() {
		if m.ID == id {
			return m.Suffrage
		}
	}
	return ""
}

// A single voter grows to three with the data it has, and they outlive it.
func TestOneGrowsToThree(t *testing.T) {
	c := startLoopback(t, 1)
	first, epoch := c.leader()
	seal := Seal{Epoch: epoch, Ref: ref("pokt1a", "s1"), Root: root(1), Count: 3, Sum: 30, Seq: 2}
	if _, err := first.node.Apply(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"miner-2", "miner-3"} {
		m := c.newcomer(id)
		if err := first.node.AddMember(t.Context(), id, m.cfg.Bind); err != nil {
			t.Fatal(err)
		}
		if got := suffrageOf(first.node, id); got != "nonvoter" {
			t.Errorf("%s is added as %s", id, got)
		}
		promoteSoon(t, first, id)
	}
	c.kill(first)
	next, _ := c.leader()
	next.node.View(func(s *State) {
		if got, _ := s.Session(seal.Ref.Key()); got.Stage != StageSealed {
			t.Errorf("the session is %s on the next leader", got.Stage)
		}
	})
}

func TestAddIsRefused(t *testing.T) {
	c := startLoopback(t, 1)
	leader, _ := c.leader()
	known, other := c.newcomer("known"), c.newcomer("other")
	foreign := c.newcomer("foreign", func(cfg *Config) { cfg.ClusterID = "elsewhere" })
	alone := c.newcomer("alone", func(cfg *Config) {
		cfg.BootstrapExpect, cfg.Peers = 1, []Peer{{ID: "alone", Addr: cfg.Bind}}
	})
	waitFor(t, "alone has a log of its own", func() bool { return !alone.node.blank() })
	if err := leader.node.AddMember(t.Context(), "known", known.cfg.Bind); err != nil {
		t.Fatal(err)
	}
	before := leader.node.servers()
	tests := map[string]struct {
		id, addr string
		want     error
	}{
		"a member again":          {"known", known.cfg.Bind, ErrDuplicate},
		"at a member's address":   {"other", known.cfg.Bind, ErrAddressInUse},
		"an id of a member":       {"known", other.cfg.Bind, ErrInvalid},
		"another node answers":    {"another", other.cfg.Bind, ErrInvalid},
		"nobody answers":          {"other", freeAddrs(t, 1)[0], ErrUnreachable},
		"of another cluster":      {"foreign", foreign.cfg.Bind, ErrPeer},
		"with a log of its own":   {"alone", alone.cfg.Bind, ErrOwnData},
		"with an odd id":          {"a/b", other.cfg.Bind, ErrInvalid},
		"with an odd address":     {"other", "0.0.0.0:1", ErrInvalid},
		"with no port in address": {"other", "localhost", ErrInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantError(t, leader.node.AddMember(t.Context(), test.id, test.addr), test.want)
		})
	}
	if got := leader.node.servers(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("membership changed: %v", got)
	}
	wantError(t, other.node.AddMember(t.Context(), "x", "127.0.0.1:1"), ErrNotLeader)
	wantError(t, leader.node.Promote(t.Context(), "nobody"), ErrNotFound)
}

func TestPromoteWaitsForTheLog(t *testing.T) {
	c := startLoopback(t, 1)
	leader, _ := c.leader()
	m := c.newcomer("late")
	if err := leader.node.AddMember(t.Context(), "late", m.cfg.Bind); err != nil {
		t.Fatal(err)
	}
	c.kill(m)
	waitFor(t, "the member is silent", func() bool { return !leader.node.isAlive("late") })
	wantError(t, leader.node.Promote(t.Context(), "late"), ErrBehind)
	c.start(m)
	promoteSoon(t, leader, "late")
	if err := leader.node.Promote(t.Context(), "late"); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestRemovalGuards(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	var followers []*member
	for _, m := range c.members {
		if m != leader {
			followers = append(followers, m)
		}
	}
	gone, stays := followers[0], followers[1]
	wantError(t, leader.node.Remove(t.Context(), leader.cfg.NodeID, false), ErrIsLeader)
	wantError(t, leader.node.Demote(t.Context(), leader.cfg.NodeID, true), ErrIsLeader)
	wantError(t, leader.node.Remove(t.Context(), "nobody", false), ErrNotFound)
	c.kill(gone)
	waitFor(t, "one is silent", func() bool { return !leader.node.isAlive(raft.ServerID(gone.cfg.NodeID)) })
	// Of the other two voters one is silent: without this one, they would be stuck.
	wantError(t, leader.node.Remove(t.Context(), stays.cfg.NodeID, false), ErrQuorumRisk)
	wantError(t, leader.node.Demote(t.Context(), stays.cfg.NodeID, false), ErrQuorumRisk)
	if err := leader.node.Remove(t.Context(), gone.cfg.NodeID, false); err != nil {
		t.Fatal(err)
	}
	// Its directory is barred, also if it is added again under its name.
	c.start(gone)
	wantError(t, leader.node.AddMember(t.Context(), gone.cfg.NodeID, gone.cfg.Bind), ErrLostData)
	c.kill(gone)
	if err := os.RemoveAll(gone.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	c.start(gone)
	promoted(t, leader, gone)
	if got := suffrageOf(leader.node, gone.cfg.NodeID); got != "voter" {
		t.Errorf("the wiped node is %s", got)
	}
	if err := leader.node.Demote(t.Context(), gone.cfg.NodeID, false); err != nil {
		t.Error(err)
	}
	if got := suffrageOf(leader.node, gone.cfg.NodeID); got != "nonvoter" {
		t.Errorf("the demoted node is %s", got)
	}
}

// A member that comes back at another address is found there.
func TestMemberMoves(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	waitFor(t, "all are enrolled", func() bool { return enrolled(leader.node) == 3 })
	moved := c.members[0]
	if moved == leader {
		moved = c.members[1]
	}
	c.kill(moved)
	moved.cfg.Bind = freeAddrs(t, 1)[0]
	moved.cfg.Peers, moved.cfg.BootstrapExpect = nil, 0
	c.start(moved)
	if err := leader.node.AddMember(t.Context(), moved.cfg.NodeID, moved.cfg.Bind); err != nil {
		t.Fatal(err)
	}
	if got := suffrageOf(leader.node, moved.cfg.NodeID); got != "voter" {
		t.Errorf("the moved voter is %s", got)
	}
	goal := leader.node.raft.LastIndex()
	waitFor(t, "the moved member follows", func() bool { return moved.node.raft.AppliedIndex() >= goal })
}

func TestDrainedNodeDoesNotLead(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	waitFor(t, "all are enrolled", func() bool { return enrolled(leader.node) == 3 })
	if err := leader.node.SetDrained(t.Context(), leader.cfg.NodeID, true); err != nil {
		t.Fatal(err)
	}
	next, _ := c.leader()
	if next == leader {
		t.Fatal("the drained node leads on")
	}
	if err := next.node.TransferLeader(t.Context(), leader.cfg.NodeID); err != nil {
		t.Fatal(err)
	}
	if again, _ := c.leader(); again == leader {
		t.Fatal("a drained node stayed the leader")
	}
}

// A group of one has nobody to hand over to: it leads although it is drained.
func TestDrainedNodeLeadsRatherThanNobody(t *testing.T) {
	c := startLoopback(t, 1)
	only, _ := c.leader()
	waitFor(t, "it is enrolled", func() bool { return enrolled(only.node) == 1 })
	wantError(t, only.node.SetDrained(t.Context(), only.cfg.NodeID, true), ErrNoSuccessor)
	c.kill(only)
	c.start(only)
	c.leader()
	if !only.node.Status().Drained {
		t.Error("it forgot that it is drained")
	}
}

func enrolled(n *Node) (count int) {
	n.View(func(s *State) { count = len(s.Enrolments()) })
	return count
}

// A kind that a member's build would stop at is not proposed until it is upgraded.
func TestNewCommandsWaitForOldBuilds(t *testing.T) {
	c := startLoopback(t, 1)
	leader, epoch := c.leader()
	old := c.newcomer("old", func(cfg *Config) { cfg.commandSet = firstCommandSet })
	promoted(t, leader, old)
	drain := Drain{Epoch: epoch, NodeID: "old", Drained: true}
	_, err := leader.node.Apply(t.Context(), drain)
	wantError(t, err, ErrHeldBack)
	c.kill(old)
	old.cfg.commandSet = CommandSet
	c.start(old)
	waitFor(t, "the upgrade is known", func() bool {
		for _, m := range c.members { // the leader may have missed the other, or not
			if now, err := m.node.leadingEpoch(); err == nil {
				drain.Epoch = now
				_, err = m.node.Apply(t.Context(), drain)
				return err == nil
			}
		}
		return false
	})
}

func TestRestore(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	seal := func(id string) {
		t.Helper()
		if _, err := leader.node.Apply(t.Context(), Seal{Epoch: epoch, Ref: ref("pokt1a", id), Root: root(1)}); err != nil {
			t.Fatal(err)
		}
	}
	seal("before")
	saved := savedState(t, leader.node)
	seal("after")
	_, err := leader.node.RestoreState(t.Context(), saved(), false)
	wantError(t, err, ErrRollback)
	_, err = leader.node.RestoreState(t.Context(), foreignState(t), true)
	wantError(t, err, ErrClusterMismatch)
	_, err = leader.node.RestoreState(t.Context(), damaged(saved()), true)
	wantError(t, err, ErrCorrupt)
	if leader.node.leading.Load() == nil {
		t.Fatal("a refused restore ended the leadership")
	}
	if _, err := leader.node.RestoreState(t.Context(), saved(), true); err != nil {
		t.Fatal(err)
	}
	next, newer := c.leader()
	if newer.Compare(epoch) <= 0 {
		t.Errorf("epoch %s follows %s", newer, epoch)
	}
	goal := next.node.raft.LastIndex()
	for _, m := range c.members {
		waitFor(t, m.cfg.NodeID+" has it", func() bool { return m.node.raft.AppliedIndex() >= goal })
		m.node.View(func(s *State) {
			_, before := s.Session(ref("pokt1a", "before").Key())
			_, after := s.Session(ref("pokt1a", "after").Key())
			if !before || after {
				t.Errorf("%s: before %t, after %t", m.cfg.NodeID, before, after)
			}
		})
	}
}

// The survivor of three becomes a group of its own; what the others still have is
// barred until they are wiped.
func TestRecover(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	waitFor(t, "all are enrolled", func() bool { return enrolled(leader.node) == 3 })
	if _, err := leader.node.Apply(t.Context(), Seal{Epoch: epoch, Ref: ref("pokt1a", "s"), Root: root(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(leader.cfg.DataDir, "", t.TempDir()+"/b"); err == nil {
		t.Fatal("recovered under a running node")
	}
	for _, m := range c.members {
		c.kill(m)
	}
	backup := t.TempDir() + "/backup"
	r, err := Recover(leader.cfg.DataDir, "", backup)
	if err != nil {
		t.Fatal(err)
	}
	if r.Generation != 2 || r.Sessions != 1 || len(r.Left) != 2 || r.Address != leader.cfg.Bind {
		t.Errorf("recovery %+v", r)
	}
	if !hasLog(backup) {
		t.Error("the backup has no log")
	}
	if _, err := Recover(leader.cfg.DataDir, "", backup); err == nil {
		t.Error("a backup was overwritten")
	}
	c.start(leader)
	_, newer := c.leader()
	if newer.Generation != 2 || newer.Compare(epoch) <= 0 {
		t.Errorf("epoch %s follows %s", newer, epoch)
	}
	left := c.members[0]
	if left == leader {
		left = c.members[1]
	}
	c.start(left) // it believes in the group of three
	wantError(t, leader.node.AddMember(t.Context(), left.cfg.NodeID, left.cfg.Bind), ErrLostData)
	c.kill(left)
	if err := os.RemoveAll(left.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	c.start(left)
	promoted(t, leader, left)
	waitFor(t, "the added member has the session", func() bool {
		sessions := 0
		left.node.View(func(s *State) { sessions = s.SessionCount() })
		return sessions == 1
	})
}

func TestHealthIsGathered(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	for _, m := range c.members {
		serveAdmin(t, m)
	}
	var h Health
	waitFor(t, "all are well", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h = c.members[0].node.Health(ctx)
		return h.Quorum && h.Tolerance == 1 && len(h.Warnings) == 0
	})
	for _, m := range h.Members {
		if m.Version != "test" || m.Instance == "" || m.DiskFree == 0 || m.FsyncP99 == 0 || m.LeaderID != leader.cfg.NodeID {
			t.Errorf("member %+v", m)
		}
	}
	c.kill(leader)
	next, _ := c.leader()
	h = next.node.Health(t.Context())
	if !h.Quorum || h.Tolerance != 0 || len(h.Warnings) == 0 {
		t.Errorf("with one dead: %+v", h)
	}
}
