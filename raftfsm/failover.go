package raftfsm

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// failover shortens an election when there is evidence that the leader died: its
// connections closed. A follower's timer fires somewhere between one and two
// heartbeat timeouts, and only then looks at the last contact; and a vote is
// refused while the voter itself still believes in the old leader. So all
// followers drop a silent leader together, one lease after its last word.
//
// A false alarm does no harm: if the leader still speaks, its last contact is
// young and nothing happens.
type failover struct {
	node   *Node
	closed chan struct{} // capacity 1: a peer's connection closed
}

// mostRounds bounds the time with short timers: without a majority there will be no
// leader.
const mostRounds = 10

// candidateStagger keeps two followers from asking for each other's vote in the
// same instant: both would vote for themselves and wait for another timeout.
const candidateStagger = 20 * time.Millisecond

func newFailover(n *Node) *failover { return &failover{node: n, closed: make(chan struct{}, 1)} }

// peerClosed notes that some peer's connection ended.
func (f *failover) peerClosed() {
	select {
	case f.closed <- struct{}{}:
	default: // one is noted already
	}
}

// run acts on closed connections until the node closes.
func (f *failover) run() {
	for {
		select {
		case <-f.node.closed:
			return
		case <-f.closed:
			f.suspect()
		}
	}
}

// suspect waits until the leader has been silent for a lease, then makes raft look
// at once, and puts the calm timers back.
func (f *failover) suspect() {
	n := f.node
	_, leader := n.raft.LeaderWithID()
	if n.raft.State() != raft.Follower || leader == "" {
		return
	}
	n.background.Go(n.warmUp)
	lease := n.cfg.LeaderLeaseTimeout + time.Millisecond
	if !f.awaitSilence(lease + f.stagger(leader)) {
		return
	}
	n.log.Info("leader closed its connections and is silent", zap.String("leader", string(leader)))
	if !f.reload(lease, lease) {
		return
	}
	f.awaitLeader(lease)
	f.reload(n.cfg.HeartbeatTimeout, n.cfg.ElectionTimeout)
}

// awaitLeader waits until a leader is known, so that candidates that got into each
// other's way try again soon.
func (f *failover) awaitLeader(lease time.Duration) {
	for range mostRounds {
		if !f.node.pause(3 * lease) {
			return
		}
		if _, leader := f.node.raft.LeaderWithID(); leader != "" {
			return
		}
	}
}

// awaitSilence waits until nothing was heard from the leader for d. A word that
// was on its way when the connection closed starts the wait again, but a leader
// that goes on talking ends it.
func (f *failover) awaitSilence(d time.Duration) bool {
	for give := time.Now().Add(2 * d); time.Now().Before(give); {
		last := f.node.raft.LastContact()
		if !f.node.pause(time.Until(last.Add(d))) {
			return false
		}
		if f.node.raft.LastContact().Equal(last) {
			return true
		}
	}
	return false
}

// stagger is this node's place among the followers of leader.
func (f *failover) stagger(leader raft.ServerID) time.Duration {
	var followers []string
	for _, s := range f.node.servers() {
		if s.ID != leader && s.Suffrage == raft.Voter {
			followers = append(followers, string(s.ID))
		}
	}
	slices.Sort(followers)
	place := max(0, slices.Index(followers, f.node.cfg.NodeID))
	return time.Duration(place) * candidateStagger
}

func (f *failover) reload(heartbeat, election time.Duration) bool {
	rc := f.node.raft.ReloadableConfig()
	rc.HeartbeatTimeout, rc.ElectionTimeout = heartbeat, election
	if err := f.node.raft.ReloadConfig(rc); err != nil {
		f.node.log.Error("set election timers", zap.Error(err))
		return false
	}
	return true
}
