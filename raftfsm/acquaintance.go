package raftfsm

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// acquaintances are the last hellos of other members.
type acquaintances struct {
	mu    sync.Mutex
	met   map[string]hello
	fresh chan struct{} // capacity 1: somebody said something new
}

func newAcquaintances() *acquaintances {
	return &acquaintances{met: make(map[string]hello), fresh: make(chan struct{}, 1)}
}

func (a *acquaintances) note(h hello) {
	a.mu.Lock()
	known := a.met[h.NodeID]
	a.met[h.NodeID] = h
	a.mu.Unlock()
	if known.Instance == h.Instance && known.Version == h.Version && known.Commands == h.Commands {
		return
	}
	select {
	case a.fresh <- struct{}{}:
	default:
	}
}

func (a *acquaintances) of(id string) (hello, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.met[id]
	return h, ok
}

// introduce is this member's hello.
func (n *Node) introduce() hello {
	n.awaitStart()
	identity := n.identity.get()
	h := hello{
		Protocol: helloVersion, ClusterID: n.cfg.ClusterID, NodeID: n.cfg.NodeID, Address: n.cfg.Advertise,
		Instance: identity.Instance, First: identity.First, Peers: peerList(n.cfg.Peers),
		Version: n.cfg.Version, Commands: n.cfg.commandSet, ConfigHash: n.cfg.ConfigHash,
		Admission: identity.Admission, Blank: n.blank(),
		Missing: n.fitness.now(), Yielded: n.fitness.sinceYield(),
	}
	n.View(func(s *State) {
		h.Generation = max(s.Generation(), identity.Generation)
	})
	return h
}

// blank says that nothing was ever written to this member's log.
func (n *Node) blank() bool { return n.raft == nil || n.raft.LastIndex() == 0 }

// awaitStart waits until this member has read its own data; false means that it
// closed before.
func (n *Node) awaitStart() bool {
	select {
	case <-n.started:
		return true
	case <-n.closed:
		return false
	}
}

// judge says why this member must not talk raft with another, nil if it may.
func (n *Node) judge(h hello) error {
	if !n.awaitStart() {
		return ErrClosed
	}
	if h.Protocol != helloVersion {
		return fmt.Errorf("%w: it talks version %d, this build %d", ErrPeer, h.Protocol, helloVersion)
	}
	if h.ClusterID != n.cfg.ClusterID {
		return fmt.Errorf("%w: it is of cluster %q, this is %q", ErrPeer, h.ClusterID, n.cfg.ClusterID)
	}
	if !validNodeID(h.NodeID) || h.Instance == "" {
		return fmt.Errorf("%w: node %q, instance %q", ErrPeer, h.NodeID, h.Instance)
	}
	if h.NodeID == n.cfg.NodeID && h.Instance != n.identity.get().Instance {
		return fmt.Errorf("%w: it calls itself %s, and so does this node", ErrPeer, h.NodeID)
	}
	return n.judgeData(h)
}

// judgeData looks at the data that a member comes with. A member that forgot what
// it had acknowledged must not be counted on for the same entries again.
func (n *Node) judgeData(h hello) (refusal error) {
	mine := n.identity.get()
	known, number := mine.First[h.NodeID], uint64(0)
	n.View(func(s *State) {
		generation := max(s.Generation(), mine.Generation)
		if h.Generation != 0 && generation != 0 && h.Generation != generation {
			refusal = fmt.Errorf("%w: %s has data of generation %d, %s of %d: one of them was left out of a recovery, and has to be wiped and added again",
				ErrLostData, h.NodeID, h.Generation, n.cfg.NodeID, generation)
			return
		}
		if s.Retired(h.Instance) {
			refusal = fmt.Errorf("%w: the data directory of %s was removed from the group; wipe it and add the node again", ErrLostData, h.NodeID)
			return
		}
		if e, enrolled := s.Enrolment(h.NodeID); enrolled {
			known, number = e.Instance, e.Number
		} else if s.Retired(known) { // removed since the group was formed
			known = ""
		}
	})
	switch {
	case refusal != nil:
		return refusal
	case h.Admission > number: // it was admitted again, and this node has not heard of it yet
		return nil
	case known != "" && known != h.Instance:
		return fmt.Errorf("%w: %s had another data directory (instance %s, now %s); remove the member and add it again",
			ErrLostData, h.NodeID, known, h.Instance)
	case h.Blank && n.countsOn(h.NodeID) && mine.First[h.NodeID] != h.Instance:
		return fmt.Errorf("%w: %s votes in this group, but its log is empty; remove the member and add it again", ErrLostData, h.NodeID)
	}
	return nil
}

func (n *Node) noteHello(h hello) { n.acquaintances.note(h) }

// countsOn says that a member votes.
func (n *Node) countsOn(id string) bool {
	return slices.ContainsFunc(n.servers(), func(s raft.Server) bool {
		return string(s.ID) == id && s.Suffrage == raft.Voter
	})
}

// peerList is a peer list in one canonical line.
func peerList(peers []Peer) string {
	var list []string
	for _, p := range peers {
		list = append(list, p.ID+"="+p.Addr)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}
