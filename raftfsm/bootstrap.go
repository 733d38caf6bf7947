package raftfsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

const (
	bootstrapRetry = 200 * time.Millisecond
	probeTimeout   = time.Second
)

// bootstrap writes the first membership, once in the life of a group.
//
// A member must not do so because its own directory is empty: if two of three lost
// theirs, they would form a new group and forget what the old one had decided. So
// it waits until it has met all the others, and all of them are blank too; each
// remembers which instances took part. A member that comes later and finds the
// group formed joins in if the others remember its very instance (it crashed half
// way), and otherwise waits to be added like any newcomer.
type bootstrap struct {
	node *Node
	last string // what was said last of why nothing happens
}

// errFormed says that the group exists, without this member's data.
var errFormed = errors.New("the group is formed already, and knows another data directory of this node, or none; wait to be added (raftctl replace, or remove and add)")

// run ends when the group is formed, this member was added to one, or the node
// closes.
func (b *bootstrap) run() {
	n := b.node
	for n.blank() {
		err := b.try()
		if err == nil {
			return
		}
		b.explain(err)
		if !n.pause(bootstrapRetry) {
			return
		}
	}
}

func (b *bootstrap) try() error {
	first, err := b.firstMembers()
	if err != nil {
		return err
	}
	n := b.node
	// From here on the others count on this instance: it must be able to tell that
	// it took part, also if it crashes before the next line is through.
	err = n.identity.change(func(id *identity) { id.First, id.Generation = first, max(1, id.Generation) })
	if err != nil {
		return err
	}
	var members raft.Configuration
	for _, p := range n.cfg.Peers {
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Addr)})
	}
	if err := n.raft.BootstrapCluster(members).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("write the first membership: %w", err)
	}
	n.log.Info("first membership written", zap.String("members", peerList(n.cfg.Peers)))
	return nil
}

// firstMembers are the instances that form the group, or why it cannot be formed
// yet. A peer that is in the group already decides, whoever else is silent.
func (b *bootstrap) firstMembers() (map[string]string, error) {
	own := b.node.identity.get()
	first := map[string]string{own.NodeID: own.Instance}
	var problem error
	for _, p := range b.node.cfg.Peers {
		if p.ID == own.NodeID {
			continue
		}
		h, err := b.node.stream.probe(p.Addr, probeTimeout)
		if err == nil && !h.Blank && h.ClusterID == own.ClusterID {
			return formedWith(h, own)
		}
		if err == nil {
			err = b.checkFirst(p, h)
		}
		if err != nil && problem == nil {
			problem = fmt.Errorf("wait for %s: %w", p.ID, err)
		}
		first[p.ID] = h.Instance
	}
	if problem != nil {
		return nil, problem
	}
	return first, nil
}

// formedWith are the first members of a group that h is in, if own was one.
func formedWith(h hello, own identity) (map[string]string, error) {
	if h.First[own.NodeID] == own.Instance {
		return h.First, nil
	}
	return nil, fmt.Errorf("%s: %w", h.NodeID, errFormed)
}

// checkFirst holds a blank peer against the configuration.
func (b *bootstrap) checkFirst(p Peer, h hello) error {
	if h.NodeID != p.ID || h.ClusterID != b.node.cfg.ClusterID {
		return fmt.Errorf("%w: %s is node %s of cluster %q, configured is %s of %q",
			ErrPeer, p.Addr, h.NodeID, h.ClusterID, p.ID, b.node.cfg.ClusterID)
	}
	if mine := peerList(b.node.cfg.Peers); h.Peers != mine {
		return fmt.Errorf("%w: it has the peers %s, this node %s", ErrPeer, h.Peers, mine)
	}
	return nil
}

// explain logs why the group is not formed, each reason once.
func (b *bootstrap) explain(err error) {
	reason := err.Error()
	b.node.waiting.Store(&reason)
	if reason != b.last {
		b.last = reason
		b.node.log.Warn("not a member of a group yet", zap.Error(err))
	}
}
