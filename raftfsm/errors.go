package raftfsm

import "errors"

// Refusals of State.Apply. The state is unchanged when one of them comes back.
var (
	ErrInvalid         = errors.New("invalid command")
	ErrNotInitialized  = errors.New("cluster is not initialized")
	ErrClusterMismatch = errors.New("cluster id or partition count differs from the replicated one")
	ErrStaleEpoch      = errors.New("epoch is not the open one")
	ErrConflict        = errors.New("conflicts with an earlier decision")
	ErrAttemptOpen     = errors.New("an earlier attempt is not dead")
	ErrTransition      = errors.New("no such transition")
	ErrNotFound        = errors.New("not found")
)

// Errors of decoding. Both stop a node: an entry that a replica cannot read must
// not be skipped, or the replicas diverge.
var (
	ErrUnknownCommand = errors.New("command of an unknown version or kind")
	ErrCorrupt        = errors.New("corrupt bytes")
)
