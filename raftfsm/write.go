package raftfsm

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// maxCommand bounds one entry; a batch of proofs is the largest thing proposed.
const maxCommand = 8 << 20

// Apply proposes cmd and waits until it took effect on this leader. Refusals are
// the sentinel errors of the state. ErrNotLeader means nothing happened;
// ErrUncertain that it may still happen: propose it again, commands are
// idempotent.
func (n *Node) Apply(ctx context.Context, cmd Command) (Result, error) {
	if d, is := cmd.(dated); is && n.heldBackTo(datedSince) != nil {
		cmd = d.undated()
	}
	entry, err := EncodeCommand(cmd)
	if err != nil {
		return Result{}, err
	}
	if len(entry) > maxCommand {
		return Result{}, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(entry), maxCommand)
	}
	if n.raft.State() != raft.Leader {
		return Result{}, ErrNotLeader
	}
	if err := n.heldBack(cmd.Kind()); err != nil {
		return Result{}, err
	}
	future, err := await(ctx, n, func() raft.ApplyFuture { return n.raft.Apply(entry, 0) })
	if err != nil {
		return Result{}, fmt.Errorf("apply command of kind %d: %w", cmd.Kind(), err)
	}
	n.lastWrite.mark()
	outcome, ok := future.Response().(applied)
	if !ok {
		return Result{}, fmt.Errorf("apply command of kind %d: answered %T", cmd.Kind(), future.Response())
	}
	return outcome.result, outcome.err
}

// heldBack refuses a kind that a member's build would stop at. A member that was
// not met yet counts as the oldest build.
func (n *Node) heldBack(k Kind) error {
	if k.since() <= firstCommandSet {
		return nil
	}
	if refusal := n.heldBackTo(k.since()); refusal != nil {
		return fmt.Errorf("kind %d: %w", k, refusal)
	}
	return nil
}

// heldBackTo says that a member's build does not know a command set.
func (n *Node) heldBackTo(set uint8) (refusal error) {
	servers := n.servers()
	n.View(func(state *State) {
		for _, s := range servers {
			e, _ := state.Enrolment(string(s.ID))
			if max(e.Commands, firstCommandSet) < set {
				refusal = fmt.Errorf("%w: command set %d is needed, %s has %d (%s)",
					ErrHeldBack, set, s.ID, max(e.Commands, firstCommandSet), e.Version)
				return
			}
		}
	})
	return refusal
}

// VerifyLeader asks a quorum whether this node still leads. It bounds when a
// message may be sent, it does not replace a fence: a process can be paused
// between the answer and the send.
func (n *Node) VerifyLeader(ctx context.Context) error {
	if _, err := await(ctx, n, n.raft.VerifyLeader); err != nil {
		return fmt.Errorf("verify leader: %w", err)
	}
	return nil
}

// barrier waits until everything that was committed before is applied here.
func (n *Node) barrier(ctx context.Context) error {
	if _, err := await(ctx, n, func() raft.Future { return n.raft.Barrier(0) }); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	n.lastWrite.mark()
	return nil
}

// View runs f with the state as this node knows it. f must copy what it keeps and
// must not block: it holds up Apply.
func (n *Node) View(f func(*State)) { n.fsm.View(f) }
