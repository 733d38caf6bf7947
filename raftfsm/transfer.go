package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// Refusals of TransferLeader.
var (
	ErrTransferSpent = errors.New("leadership was already offered once in this term")
	ErrNoSuccessor   = errors.New("no voter is caught up")
	ErrNotVoter      = errors.New("not a voter")
	ErrAlreadyLeader = errors.New("already the leader")
)

// caughtUpPoll is how often a follower's progress is looked at; there is nothing
// to wait on.
const caughtUpPoll = 5 * time.Millisecond

// transferGuard allows one attempt per term: a second one in the same term can
// leave hashicorp/raft v1.7.3 a leader that answers "leadership transfer in
// progress" to every write, for ever (#696).
type transferGuard struct {
	mu   sync.Mutex
	term uint64
}

func (g *transferGuard) spent(term uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.term == term
}

func (g *transferGuard) take(term uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.term == term {
		return fmt.Errorf("%w (%d)", ErrTransferSpent, term)
	}
	g.term = term
	return nil
}

// TransferLeader hands leadership to the voter id, or, if id is empty, to the one
// that is furthest. It returns once this node no longer leads. A target that does
// not catch up before ctx ends costs nothing; an attempt that was begun and
// failed cannot be repeated in this term.
func (n *Node) TransferLeader(ctx context.Context, id string) error {
	if n.raft.State() != raft.Leader {
		return ErrNotLeader
	}
	term := n.raft.CurrentTerm()
	if n.transfers.spent(term) {
		return fmt.Errorf("%w (%d)", ErrTransferSpent, term)
	}
	candidates, err := n.successors(id)
	if err != nil {
		return err
	}
	target, err := n.awaitCaughtUp(ctx, candidates)
	if err != nil {
		return err
	}
	if err := n.transfers.take(term); err != nil {
		return err
	}
	n.log.Info("handing over", zap.String("to", string(target.ID)))
	_, err = await(ctx, n, func() raft.Future {
		return n.raft.LeadershipTransferToServer(target.ID, target.Address)
	})
	if err != nil {
		return fmt.Errorf("hand over to %s: %w", target.ID, err)
	}
	return nil
}

// successors are the voters that may be handed over to. Unless one is named, those
// that are drained come last, and not at all after a leader that is drained itself.
func (n *Node) successors(id string) ([]raft.Server, error) {
	if id == n.cfg.NodeID {
		return nil, fmt.Errorf("%s is %w", id, ErrAlreadyLeader)
	}
	var voters, drained []raft.Server
	for _, s := range n.servers() {
		if id != "" && string(s.ID) != id || string(s.ID) == n.cfg.NodeID {
			continue
		}
		switch {
		case s.Suffrage == raft.Voter && n.drained(string(s.ID)):
			drained = append(drained, s)
		case s.Suffrage == raft.Voter:
			voters = append(voters, s)
		case id != "":
			return nil, fmt.Errorf("%s is %w", id, ErrNotVoter)
		}
	}
	if id != "" || !n.drained(n.cfg.NodeID) {
		voters = append(voters, drained...)
	}
	if len(voters) == 0 && id != "" {
		return nil, fmt.Errorf("member %s: %w", id, ErrNotFound)
	}
	if len(voters) == 0 {
		return nil, fmt.Errorf("%w: there is no other", ErrNoSuccessor)
	}
	return voters, nil
}

// drained says that a member should keep from leading.
func (n *Node) drained(id string) (drained bool) {
	n.View(func(s *State) {
		e, _ := s.Enrolment(id)
		drained = e.Drained
	})
	return drained
}

// awaitCaughtUp waits until one of the candidates has all that the log holds now,
// and answered within the lease.
func (n *Node) awaitCaughtUp(ctx context.Context, candidates []raft.Server) (raft.Server, error) {
	goal := n.raft.LastIndex()
	ticker := time.NewTicker(caughtUpPoll)
	defer ticker.Stop()
	for {
		if n.raft.State() != raft.Leader { // nothing to hand over any more, and nobody answers
			return raft.Server{}, ErrNotLeader
		}
		for _, s := range candidates {
			p, known := n.transport.progress(s.ID)
			if known && p.match >= goal && time.Since(p.contact) <= n.cfg.LeaderLeaseTimeout {
				return s, nil
			}
		}
		select {
		case <-ticker.C:
		case <-n.closed:
			return raft.Server{}, ErrClosed
		case <-ctx.Done():
			return raft.Server{}, fmt.Errorf("%w to index %d: %w", ErrNoSuccessor, goal, context.Cause(ctx))
		}
	}
}

// memberAt is the id of the member at an address, "" if there is none.
func (n *Node) memberAt(addr raft.ServerAddress) string {
	if !n.awaitStart() {
		return ""
	}
	for _, s := range n.servers() {
		if s.Address == addr {
			return string(s.ID)
		}
	}
	return ""
}

// servers is the latest membership, in its own order.
func (n *Node) servers() []raft.Server {
	future := n.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil // only at shutdown
	}
	return slices.Clone(future.Configuration().Servers) // raft goes on with its own slice
}
