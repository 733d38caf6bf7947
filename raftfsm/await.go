package raftfsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Errors of a node, apart from the refusals of its state.
var (
	// ErrNotLeader: nothing was done here, ask the leader.
	ErrNotLeader = errors.New("this node is not the leader")
	// ErrUncertain: the command may or may not become part of the log.
	ErrUncertain = errors.New("outcome is unknown")
	// ErrClosed: the node is shutting down.
	ErrClosed = errors.New("node is closed")
)

// await bounds a raft future by ctx; raft offers no other way out. start may
// block too (raft's queues are short), so it runs aside as well. The goroutine
// ends with the future: on commit, loss of leadership or shutdown.
func await[F raft.Future](ctx context.Context, start func() F) (F, error) {
	type outcome struct {
		future F
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		f := start()
		done <- outcome{f, f.Error()}
	}()
	select {
	case o := <-done:
		return o.future, raftError(o.err)
	case <-ctx.Done():
		var none F
		return none, fmt.Errorf("%w: %w", ErrUncertain, context.Cause(ctx))
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
