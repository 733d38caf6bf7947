package raftfsm

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

// Where health turns from fine to worth a word.
const (
	pulseTimeout = time.Second
	lagWarning   = 1024                  // entries
	fsyncWarning = 20 * time.Millisecond // half of all commits wait longer for the disk
	spaceWarning = 256 << 20             // bytes left for the data directory
)

// MemberHealth is what a member says of itself.
type MemberHealth struct {
	Member

	Error string // why it did not answer; the rest is then empty
	RTT   time.Duration

	State        string
	LeaderID     string
	Term         uint64
	Generation   uint64
	AppliedIndex uint64
	LastIndex    uint64
	FsyncP50     time.Duration
	FsyncP99     time.Duration
	DiskFree     uint64
	Version      string
	ConfigHash   string
	Instance     string
	Drained      bool
	Waiting      string
}

// Health is the state of the group, as one member found it.
type Health struct {
	Members   []MemberHealth
	Quorum    bool // a majority of the voters answers and follows one leader
	Tolerance int  // voters that may still fail
	Warnings  []string
}

// Pulse is this node's own part of the group's health.
func (n *Node) Pulse() MemberHealth {
	s := n.Status()
	h := MemberHealth{
		Member: Member{ID: s.ID, Address: s.Address, LastContact: s.LastContact},
		State:  s.State, LeaderID: s.LeaderID, Term: s.Term, AppliedIndex: s.AppliedIndex, LastIndex: s.LastIndex,
		Version: n.cfg.Version, ConfigHash: n.cfg.ConfigHash, Instance: n.identity.get().Instance,
		Drained: s.Drained, Waiting: s.Waiting, DiskFree: diskFree(n.cfg.DataDir),
	}
	n.View(func(st *State) { h.Generation = st.Generation() })
	h.FsyncP50, h.FsyncP99 = n.writes.quantiles()
	return h
}

// diskFree is the space left for a directory, 0 if unknown.
func diskFree(dir string) uint64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0
	}
	return fs.Bavail * uint64(fs.Bsize)
}

// Health asks every member how it is.
func (n *Node) Health(ctx context.Context) Health {
	servers := n.servers()
	members := make([]MemberHealth, len(servers))
	var asked sync.WaitGroup
	for i, s := range servers {
		asked.Go(func() { members[i] = n.ask(ctx, s) })
	}
	asked.Wait()
	return Judge(members, n.cfg.HeartbeatTimeout)
}

func (n *Node) ask(ctx context.Context, s raft.Server) MemberHealth {
	ctx, cancel := context.WithTimeout(ctx, pulseTimeout)
	defer cancel()
	var h MemberHealth
	start := time.Now()
	if string(s.ID) == n.cfg.NodeID {
		h = n.Pulse()
	} else if answer, err := n.askPulse(ctx, string(s.Address)); err != nil {
		h.Error = err.Error()
	} else {
		h = answer
	}
	h.RTT = time.Since(start)
	h.ID, h.Address, h.Suffrage = string(s.ID), string(s.Address), suffrageName(s.Suffrage)
	return h
}

// Judge draws the conclusions from what members said; heartbeat is how often they
// should have heard from their leader.
func Judge(members []MemberHealth, heartbeat time.Duration) Health {
	h := Health{Members: members}
	voters, following := 0, make(map[string]int)
	leader := ""
	for _, m := range members {
		if m.Suffrage == suffrageName(raft.Voter) {
			voters++
			if m.Error == "" && m.LeaderID != "" {
				following[m.LeaderID]++
			}
		}
		if m.State == stateName(raft.Leader) {
			leader = m.ID
		}
	}
	majority := voters/2 + 1
	h.Quorum = leader != "" && following[leader] >= majority
	if h.Quorum {
		h.Tolerance = following[leader] - majority
	}
	h.warn(voters, leader, heartbeat)
	return h
}

func (h *Health) warn(voters int, leader string, heartbeat time.Duration) {
	say := func(format string, args ...any) { h.Warnings = append(h.Warnings, fmt.Sprintf(format, args...)) }
	if !h.Quorum {
		say("the group has no leader that a majority follows: nothing is decided")
	}
	if h.Quorum && h.Tolerance == 0 && voters > 1 {
		say("one more failure stops the group")
	}
	if voters > 0 && voters%2 == 0 {
		say("%d voters tolerate no more failures than %d", voters, voters-1)
	}
	reference := h.find(leader)
	for _, m := range h.Members {
		if m.Error != "" {
			say("%s does not answer: %s", m.ID, m.Error)
			continue
		}
		for _, problem := range m.problems(reference, heartbeat) {
			say("%s %s", m.ID, problem)
		}
	}
}

func (h *Health) find(id string) MemberHealth {
	for _, m := range h.Members {
		if m.ID == id {
			return m
		}
	}
	return MemberHealth{}
}

// problems compares a member with its leader, which is empty if there is none.
func (m MemberHealth) problems(leader MemberHealth, heartbeat time.Duration) (list []string) {
	when := func(bad bool, format string, args ...any) {
		if bad {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	when(m.Waiting != "", "is in no group: %s", m.Waiting)
	when(m.LastContact > 2*heartbeat, "heard from its leader %s ago", m.LastContact.Round(time.Millisecond))
	when(m.FsyncP50 > fsyncWarning, "has a slow disk: half of its durable writes take more than %s", m.FsyncP50.Round(time.Millisecond))
	when(m.DiskFree > 0 && m.DiskFree < spaceWarning, "has %d MiB left for its data directory", m.DiskFree>>20)
	if leader.ID == "" {
		return list
	}
	when(m.AppliedIndex+lagWarning < leader.LastIndex, "is %d entries behind", leader.LastIndex-m.AppliedIndex)
	when(m.Version != leader.Version, "runs version %s, the leader %s", m.Version, leader.Version)
	when(m.ConfigHash != leader.ConfigHash, "has another configuration than the leader (hash %.12s, %.12s)", m.ConfigHash, leader.ConfigHash)
	return list
}
