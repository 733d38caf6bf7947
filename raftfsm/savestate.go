package raftfsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// ErrRollback is the refusal of a snapshot that lacks what was decided since.
var ErrRollback = errors.New("snapshot lacks decisions of this group")

// ErrRestored stops a leader whose state was replaced under it.
var ErrRestored = errors.New("state was restored from a snapshot")

// SaveState writes the state of the leader as it is now, in the form of its
// snapshots.
func (n *Node) SaveState(ctx context.Context, w io.Writer) error {
	if err := n.VerifyLeader(ctx); err != nil {
		return err
	}
	if err := n.barrier(ctx); err != nil {
		return err
	}
	return n.fsm.freeze().Encode(w)
}

// RestoreState replaces the state of the whole group by a saved one, and passes
// leadership on, so that nobody goes on with what was read before. What the group
// knows of its members and epochs stays. Unless forced, a snapshot that would undo a
// decision is refused: a claim could be sent twice.
func (n *Node) RestoreState(ctx context.Context, r io.Reader, force bool) (restored *State, err error) {
	if _, err := n.leadingEpoch(); err != nil {
		return nil, err
	}
	saved, err := DecodeState(r)
	if err != nil {
		return nil, err
	}
	n.View(func(now *State) { err = saved.succeed(now, force) })
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	if err := saved.Encode(&content); err != nil {
		return nil, err
	}
	meta := &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: int64(content.Len())}
	_, err = await(ctx, n, func() done { return done{n.raft.Restore(meta, &content, 0)} })
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	n.log.Warn("state restored from a snapshot", zap.Int("sessions", saved.SessionCount()))
	if err := n.giveUp(ErrRestored); err != nil {
		n.fail(err)
	}
	return saved, nil
}

// done is the outcome of a call of the library that blocks.
type done struct{ err error }

// Error implements raft.Future.
func (d done) Error() error { return d.err }

// succeed prepares a saved state to follow the one of the group.
func (s *State) succeed(now *State, force bool) error {
	if s.clusterID != now.clusterID || s.partitions != now.partitions {
		return fmt.Errorf("%w: snapshot of %q with %d partitions, this is %q with %d",
			ErrClusterMismatch, s.clusterID, s.partitions, now.clusterID, now.partitions)
	}
	if undone := s.lacks(now); undone > 0 && !force {
		return fmt.Errorf("%w: %d sessions or intents are further than in it, or not in it at all", ErrRollback, undone)
	}
	s.generation, s.epoch, s.owner, s.roster = now.generation, now.epoch, now.owner, now.roster
	s.holdings = now.holdings
	return nil
}

// lacks counts the decisions of now that s does not know of.
func (s *State) lacks(now *State) (undone int) {
	for r := range now.Sessions() {
		if mine, found := s.Session(r.Ref.Key()); r.Stage != StageActive && (!found || mine.Stage != r.Stage) {
			undone++
		}
	}
	for i := range now.Intents() {
		if mine, found := s.Intent(i.Batch, i.Attempt); !found || mine.Status != i.Status {
			undone++
		}
	}
	return undone
}
