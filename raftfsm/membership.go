package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// Refusals of a change of membership. Nothing was changed when one comes back.
var (
	ErrDuplicate    = errors.New("already a member")
	ErrAddressInUse = errors.New("address belongs to another member")
	ErrBehind       = errors.New("not caught up")
	ErrIsLeader     = errors.New("leads the group; hand leadership over first")
	ErrQuorumRisk   = errors.New("would leave the group without a quorum")
	ErrOwnData      = errors.New("node has a log of its own")
)

// promoteLag is how many entries a member may lack when it begins to vote. A voter
// that lacks many would hold up every commit that needs it.
const promoteLag = 64

// AddMember makes the node at addr a non-voter: it is given the log and does not
// count yet. The node must run, be blank, and be who it is said to be. A member that
// moved is added again at its new address, and keeps its suffrage.
func (n *Node) AddMember(ctx context.Context, id, addr string) error {
	epoch, err := n.leadingEpoch()
	if err != nil {
		return err
	}
	if !validNodeID(id) {
		return fmt.Errorf("%w: node id %q", ErrInvalid, id)
	}
	if err := checkAdvertise(addr); err != nil {
		return fmt.Errorf("%w: address %q: %w", ErrInvalid, addr, err)
	}
	old, known, err := n.checkFree(id, addr)
	if err != nil {
		return err
	}
	h, err := n.inspectNewcomer(id, addr)
	if err != nil {
		return err
	}
	_, err = n.Apply(ctx, Admit{Epoch: epoch, NodeID: id, Instance: h.Instance, Version: h.Version, Commands: h.Commands})
	if err != nil {
		return fmt.Errorf("admit %s: %w", id, err)
	}
	change := n.raft.AddNonvoter
	if known && old.Suffrage == raft.Voter {
		change = n.raft.AddVoter
	}
	return n.changeMembership(ctx, "add", id, func() raft.IndexFuture {
		return change(raft.ServerID(id), raft.ServerAddress(addr), 0, 0)
	})
}

// checkFree refuses an id or an address that is taken. It returns the member that
// moves to addr, if one does.
func (n *Node) checkFree(id, addr string) (old raft.Server, known bool, err error) {
	for _, s := range n.servers() {
		switch {
		case string(s.ID) == id && string(s.Address) == addr:
			return s, true, fmt.Errorf("%s is %w, a %s at %s", id, ErrDuplicate, suffrageName(s.Suffrage), addr)
		case string(s.ID) == id:
			old, known = s, true
		case string(s.Address) == addr:
			return s, false, fmt.Errorf("%s: %w, %s", addr, ErrAddressInUse, s.ID)
		}
	}
	return old, known, nil
}

// inspectNewcomer asks the node at addr who it is, and what it has.
func (n *Node) inspectNewcomer(id, addr string) (hello, error) {
	h, err := n.stream.probe(addr, probeTimeout)
	if err != nil {
		return hello{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if h.NodeID != id {
		return hello{}, fmt.Errorf("%w: at %s is node %q, not %q", ErrInvalid, addr, h.NodeID, id)
	}
	if err := n.judge(h); err != nil {
		return hello{}, err
	}
	var enrolled bool
	n.View(func(s *State) {
		e, known := s.Enrolment(id)
		enrolled = known && e.Instance == h.Instance
	})
	if !h.Blank && !enrolled {
		return hello{}, fmt.Errorf("%w: %s was in a group before, perhaps one of its own; wipe its data directory", ErrOwnData, id)
	}
	return h, nil
}

// Promote lets a member vote once it is caught up. It is fine if it does already.
func (n *Node) Promote(ctx context.Context, id string) error {
	s, err := n.leadersMember(id)
	if err != nil || s.Suffrage == raft.Voter {
		return err
	}
	last := n.raft.LastIndex()
	p, known := n.transport.progress(s.ID)
	switch {
	case !known || time.Since(p.contact) > n.cfg.HeartbeatTimeout:
		return fmt.Errorf("%s is %w: it does not answer", id, ErrBehind)
	case p.match+promoteLag < last:
		return fmt.Errorf("%s is %w: at entry %d of %d", id, ErrBehind, p.match, last)
	}
	return n.changeMembership(ctx, "promote", id, func() raft.IndexFuture { return n.raft.AddVoter(s.ID, s.Address, 0, 0) })
}

// Demote takes a member's vote. It is fine if it has none.
func (n *Node) Demote(ctx context.Context, id string, force bool) error {
	s, err := n.leadersMember(id)
	if err != nil || s.Suffrage != raft.Voter {
		return err
	}
	if err := n.checkWithout(s.ID, force); err != nil {
		return err
	}
	return n.changeMembership(ctx, "demote", id, func() raft.IndexFuture { return n.raft.DemoteVoter(s.ID, 0, 0) })
}

// Remove takes a member out of the group and bars its data directory for good. A
// removal that ended half-way is finished by the next.
func (n *Node) Remove(ctx context.Context, id string, force bool) error {
	epoch, err := n.leadingEpoch()
	if err != nil {
		return err
	}
	s, err := n.leadersMember(id)
	var enrolled bool
	n.View(func(st *State) { _, enrolled = st.Enrolment(id) })
	if err != nil && !enrolled {
		return err
	}
	if err == nil {
		if err := n.checkWithout(s.ID, force); err != nil {
			return err
		}
		err := n.changeMembership(ctx, "remove", id, func() raft.IndexFuture { return n.raft.RemoveServer(s.ID, 0, 0) })
		if err != nil {
			return err
		}
	}
	if _, err := n.Apply(ctx, Retire{Epoch: epoch, NodeID: id}); err != nil {
		return fmt.Errorf("bar the data directory of %s: %w", id, err)
	}
	return nil
}

// SetDrained says whether a member should keep from leading. If it leads, it hands
// over at once.
func (n *Node) SetDrained(ctx context.Context, id string, drained bool) error {
	epoch, err := n.leadingEpoch()
	if err != nil {
		return err
	}
	if _, err := n.Apply(ctx, Drain{Epoch: epoch, NodeID: id, Drained: drained}); err != nil {
		return err
	}
	if !drained || id != n.cfg.NodeID {
		return nil
	}
	return n.TransferLeader(ctx, "")
}

// checkWithout refuses to go on without the vote of id if the rest could not.
func (n *Node) checkWithout(id raft.ServerID, force bool) error {
	if string(id) == n.cfg.NodeID {
		return fmt.Errorf("%s %w", id, ErrIsLeader)
	}
	rest, alive := 0, 0
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter || s.ID == id {
			continue
		}
		rest++
		if n.isAlive(s.ID) {
			alive++
		}
	}
	if alive < rest/2+1 && !force {
		return fmt.Errorf("%w: of %d other voters %d answer", ErrQuorumRisk, rest, alive)
	}
	return nil
}

// isAlive says that a member answered this leader just now.
func (n *Node) isAlive(id raft.ServerID) bool {
	if string(id) == n.cfg.NodeID {
		return true
	}
	p, known := n.transport.progress(id)
	return known && time.Since(p.contact) <= 2*n.cfg.HeartbeatTimeout
}

// leadersMember is the member id, if this node leads.
func (n *Node) leadersMember(id string) (raft.Server, error) {
	if _, err := n.leadingEpoch(); err != nil {
		return raft.Server{}, err
	}
	for _, s := range n.servers() {
		if string(s.ID) == id {
			return s, nil
		}
	}
	return raft.Server{}, fmt.Errorf("member %s: %w", id, ErrNotFound)
}

// leadingEpoch is the epoch that this node leads in.
func (n *Node) leadingEpoch() (Epoch, error) {
	epoch := n.leading.Load()
	if epoch == nil {
		return Epoch{}, ErrNotLeader
	}
	return *epoch, nil
}

func (n *Node) changeMembership(ctx context.Context, verb, id string, change func() raft.IndexFuture) error {
	if _, err := await(ctx, n, change); err != nil {
		return fmt.Errorf("%s %s: %w", verb, id, err)
	}
	n.log.Info("membership changed", zap.String("change", verb), zap.String("member", id))
	return nil
}
