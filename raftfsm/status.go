package raftfsm

import (
	"time"

	"github.com/hashicorp/raft"
)

// Status is what a node says of itself. It is this node's own view: a follower
// can be behind.
type Status struct {
	ID      string
	Address string
	Version string
	State   string // follower, candidate, leader, shutdown
	Term    uint64

	ClusterID string
	Epoch     Epoch // the open one, whoever owns it
	Owner     string
	Leading   bool // this node opened the epoch and its lead is running

	LeaderID      string // empty if unknown
	LeaderAddress string
	LastContact   time.Duration // since the leader's last word; 0 on the leader, -1 never

	CommitIndex  uint64
	AppliedIndex uint64
	LastIndex    uint64
	Sessions     map[Stage]int
	Holdings     []Holding // by partition; none before the first epoch

	Waiting string // why it is in no group yet
	Drained bool   // it keeps from leading while another can
}

// Member is one member as this node sees it.
type Member struct {
	ID       string
	Address  string
	Suffrage string // voter or nonvoter
	Leader   bool

	// The rest is known to the leader only, and of followers only once they answered.
	Known       bool
	LastContact time.Duration // since its last answer
	Match       uint64        // its log agrees with the leader's up to here
	Lag         uint64        // entries behind the leader's last
}

// Status is this node's view of itself and of the cluster.
func (n *Node) Status() Status {
	addr, leader := n.raft.LeaderWithID()
	s := Status{
		ID:            n.cfg.NodeID,
		Address:       n.cfg.Advertise,
		Version:       n.cfg.Version,
		State:         stateName(n.raft.State()),
		Term:          n.raft.CurrentTerm(),
		Leading:       n.leading.Load() != nil,
		LeaderID:      string(leader),
		LeaderAddress: string(addr),
		LastContact:   n.lastContact(),
		CommitIndex:   n.raft.CommitIndex(),
		AppliedIndex:  n.raft.AppliedIndex(),
		LastIndex:     n.raft.LastIndex(),
		Waiting:       n.waitingFor(),
		Drained:       n.drained(n.cfg.NodeID),
	}
	n.View(func(state *State) {
		s.ClusterID = state.ClusterID()
		s.Epoch, s.Owner = state.Epoch()
		s.Sessions, s.Holdings = state.StageCounts(), state.Holdings()
	})
	return s
}

// waitingFor says why this node is in no group yet, "" if it is in one.
func (n *Node) waitingFor() string {
	if !n.blank() {
		return ""
	}
	if reason := n.waiting.Load(); reason != nil {
		return *reason
	}
	return "waiting to be added to a group"
}

// lastContact is the time since the leader's last word.
func (n *Node) lastContact() time.Duration {
	if n.raft.State() == raft.Leader {
		return 0
	}
	last := n.raft.LastContact()
	if last.IsZero() {
		return -1
	}
	return time.Since(last)
}

// Members is the membership in its own order.
func (n *Node) Members() []Member {
	servers := n.servers()
	n.transport.keepOnly(servers)
	_, leader := n.raft.LeaderWithID()
	leading, last := n.raft.State() == raft.Leader, n.raft.LastIndex()
	members := make([]Member, 0, len(servers))
	for _, server := range servers {
		m := Member{
			ID: string(server.ID), Address: string(server.Address),
			Suffrage: suffrageName(server.Suffrage), Leader: server.ID == leader,
		}
		if leading {
			n.describe(&m, last)
		}
		members = append(members, m)
	}
	return members
}

// describe adds what the leader knows of a member.
func (n *Node) describe(m *Member, last uint64) {
	if m.ID == n.cfg.NodeID {
		m.Known, m.Match = true, last
		return
	}
	p, known := n.transport.progress(raft.ServerID(m.ID))
	if !known {
		return
	}
	m.Known, m.LastContact, m.Match = true, time.Since(p.contact), p.match
	m.Lag = last - min(last, p.match)
}

func stateName(s raft.RaftState) string {
	switch s {
	case raft.Follower:
		return "follower"
	case raft.Candidate:
		return "candidate"
	case raft.Leader:
		return "leader"
	}
	return "shutdown"
}

func suffrageName(s raft.ServerSuffrage) string {
	if s == raft.Voter {
		return "voter"
	}
	return "nonvoter"
}
