package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// checkpointInterval is how often progress reaches the log: it is a summary
	// for operators and for noticing a Redis that lost data, not the progress
	// itself.
	checkpointInterval = 5 * time.Second
	// checkpointSessions keeps one command under 64 KiB.
	checkpointSessions = 200
)

// checkpoints records the progress of active sessions, changes only.
func (e *Engine) checkpoints(ctx context.Context) error {
	ticker := time.NewTicker(checkpointInterval)
	defer ticker.Stop()
	recorded := make(map[chain.SessionKey]uint64)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := errors.Join(e.recordProgress(ctx, recorded), e.recordDoubts(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case deposed(err):
			return err
		case err != nil:
			e.logger.Warn("checkpoint failed, the next one carries it", zap.Error(err))
		}
	}
}

// recordProgress checkpoints what has grown. See Trimmer for what that allows.
func (e *Engine) recordProgress(ctx context.Context, recorded map[chain.SessionKey]uint64) error {
	var changed []raftfsm.Progress
	current := make(map[chain.SessionKey]bool)
	known := e.knownCounts()
	for _, h := range e.trees.Heads(ctx) {
		current[h.Ref.Key()] = true
		// A tree that Redis put back must not hide how far it had come.
		if !h.Sealed && recorded[h.Ref.Key()] != h.Seq && h.Count >= known[h.Ref.Key()] {
			changed = append(changed, headProgress(h))
		}
	}
	for key := range recorded {
		if !current[key] {
			delete(recorded, key)
		}
	}
	for chunk := range slices.Chunk(changed, checkpointSessions) {
		if err := e.checkpoint(ctx, e.feed.Latest().Height, chunk); err != nil {
			return err
		}
		for _, p := range chunk {
			recorded[p.Ref.Key()] = p.Seq
		}
	}
	return nil
}

// recordDoubts makes the group know of sessions that only relayers know of: Redis lost
// them before their first checkpoint. Without a relay they end like any other session
// that lost all, and are reported.
func (e *Engine) recordDoubts(ctx context.Context) (err error) {
	height := e.feed.Latest().Height
	var news []raftfsm.Progress
	for _, ref := range e.unknown(e.trees.Doubted(ctx)) {
		windows, failed := e.chain.Windows(ctx, ref.EndHeight)
		err = errors.Join(err, failed)
		if failed == nil && height < windows.ClaimClose { // later it may have been forgotten
			news = append(news, raftfsm.Progress{Ref: ref})
		}
	}
	for chunk := range slices.Chunk(news, checkpointSessions) {
		err = errors.Join(err, e.checkpoint(ctx, height, chunk))
	}
	return err
}

// unknown are the sessions that the group has no record of.
func (e *Engine) unknown(refs []chain.SessionRef) (unknown []chain.SessionRef) {
	e.log.View(func(state *raftfsm.State) {
		for _, ref := range refs {
			if _, known := state.Session(ref.Key()); !known {
				unknown = append(unknown, ref)
			}
		}
	})
	return unknown
}

// knownCounts are the relays of active sessions that the group knows of.
func (e *Engine) knownCounts() map[chain.SessionKey]uint64 {
	counts := make(map[chain.SessionKey]uint64)
	e.log.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			if s.Stage == raftfsm.StageActive {
				counts[s.Ref.Key()] = s.Count
			}
		}
	})
	return counts
}

func (e *Engine) checkpoint(ctx context.Context, height int64, progress []raftfsm.Progress) error {
	if _, err := e.log.Apply(ctx, raftfsm.Checkpoint{Epoch: e.epoch, Progress: progress, Height: height}); err != nil {
		return fmt.Errorf("checkpoint %d sessions: %w", len(progress), err)
	}
	return nil
}

func headProgress(h ingest.Head) raftfsm.Progress {
	return raftfsm.Progress{Ref: h.Ref, Seq: h.Seq, Root: h.Root, Count: h.Count, Sum: h.Sum}
}

func progressOf(s raftfsm.Session) raftfsm.Progress {
	return raftfsm.Progress{Ref: s.Ref, Seq: s.Seq, Root: s.Root, Count: s.Count, Sum: s.Sum}
}
