package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// Errors of a node, apart from the refusals of its state.
var (
	// ErrNotLeader: nothing was done here, ask the leader.
	ErrNotLeader = errors.New("this node is not the leader")
	// ErrUncertain: the command may or may not become part of the log.
	ErrUncertain = errors.New("outcome is unknown")
	// ErrUnreachable: another node that is needed does not answer.
	ErrUnreachable = errors.New("node does not answer")
	// ErrHeldBack: a member's build does not know the command; upgrade it first.
	ErrHeldBack = errors.New("not every member knows this command")
	// ErrClosed: the node is shutting down.
	ErrClosed = errors.New("node is closed")
)

// requests are the raft futures that are waited for. The library forgets some of
// them when it shuts down, so a shutdown lets them end first.
type requests struct {
	mu      sync.Mutex
	open    int
	closing chan struct{} // set by drain, closed when the last one ends
}

func (r *requests) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing != nil {
		return false
	}
	r.open++
	return true
}

func (r *requests) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	if r.closing != nil && r.open == 0 {
		close(r.closing)
	}
}

// drain refuses new requests and returns a channel that closes when none is left.
// It is called once.
func (r *requests) drain() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = make(chan struct{})
	if r.open == 0 {
		close(r.closing)
	}
	return r.closing
}

// await bounds a raft future by ctx and by the life of n; raft offers no other way
// out. start may block too (raft's queues are short), so it runs aside as well.
func await[F raft.Future](ctx context.Context, n *Node, start func() F) (F, error) {
	type outcome struct {
		future F
		err    error
	}
	var none F
	if !n.requests.begin() {
		return none, ErrClosed
	}
	done := make(chan outcome, 1)
	go func() {
		defer n.requests.end()
		f := start()
		done <- outcome{f, f.Error()}
	}()
	select {
	case o := <-done:
		return o.future, raftError(o.err)
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", ErrUncertain, context.Cause(ctx))
	case <-n.ended:
		return none, fmt.Errorf("%w: %w", ErrClosed, ErrUncertain)
	}
}

// raftError maps the library's errors to the package's.
func raftError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return ErrNotLeader
	case errors.Is(err, raft.ErrLeadershipLost):
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	case errors.Is(err, raft.ErrRaftShutdown):
		return fmt.Errorf("%w: %w", ErrClosed, ErrUncertain)
	}
	return err
}
