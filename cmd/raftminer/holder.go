package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/claims"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/archive"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// takePause is how long a holder waits before it asks a Redis that is away again.
	takePause = 100 * time.Millisecond
	// holdCheck is how often a holder looks whether it lost a partition that the
	// group says is its own: Redis was emptied, or this node is behind.
	holdCheck = time.Second
	// sealCalm is how long a session stays open after Redis was away, or after the last
	// relay of one of which Redis lost some. Relayers look once a second: they bring
	// what they have of it, tell how many there were, and hear of each other's doubts.
	// It stays open for half of its claim window at most.
	sealCalm = 3 * time.Second
)

// errUnsettled: Redis was away a moment ago.
var errUnsettled = errors.New("redis was away a moment ago: not sealed yet")

// holder keeps this process the owner of the partitions that the group gave it,
// whoever leads. It trusts the fence, not what it knows of the group.
type holder struct {
	*miner
	trouble string // why partitions were not taken last
}

// hold works until ctx ends.
func (m *miner) hold(ctx context.Context) {
	h := &holder{miner: m}
	trimmer := claims.NewTrimmer(m.node, m.owner, m.log)
	retention := claims.NewRetention(m.node, m.owner, m.log)
	var work sync.WaitGroup
	work.Go(func() { m.owner.Run(ctx) })
	work.Go(func() { trimmer.Run(ctx) })
	work.Go(func() { retention.Run(ctx) })
	work.Go(func() { h.follow(ctx) })
	work.Wait()
}

// follow takes and drops partitions as the group decides.
func (h *holder) follow(ctx context.Context) {
	for {
		held, changed := h.node.Holdings()
		next := holdCheck
		if err := h.adjust(ctx, held); err != nil && ctx.Err() == nil {
			h.complain(err)
			if !errors.Is(err, ingest.ErrFenced) {
				next = takePause
			}
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// complain says each trouble once.
func (h *holder) complain(err error) {
	if err.Error() == h.trouble {
		return
	}
	h.trouble = err.Error()
	h.log.Warn("partitions cannot be taken over yet", zap.Error(err))
}

// adjust drops what is not this node's any more, and takes what is.
func (h *holder) adjust(ctx context.Context, held []raftfsm.Holding) error {
	lacking, has := fencesOf(held, h.cfg.Miner.NodeID), h.owner.Held()
	var lost []int
	for n, fence := range has {
		switch lacking[n] {
		case fence:
			delete(lacking, n)
		case "":
			lost = append(lost, n)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		h.owner.Drop(lost...)
		h.log.Info("partitions handed over", zap.Ints("partitions", lost))
	}
	if len(lacking) == 0 {
		return nil
	}
	err := h.owner.Take(ctx, lacking)
	taken := h.owner.Held()
	maps.DeleteFunc(taken, func(n int, fence string) bool { return lacking[n] != fence })
	if len(taken) == 0 {
		return err
	}
	h.trouble = ""
	if reconcileErr := h.owner.Reconcile(ctx, h.known(taken)); reconcileErr != nil {
		h.log.Warn("partitions not reconciled with the log", zap.Error(reconcileErr))
	}
	h.log.Info("partitions acquired", zap.Ints("partitions", slices.Sorted(maps.Keys(taken))))
	return err
}

// known is what the group remembers of the sessions in partitions.
func (h *holder) known(partitions map[int]string) (known []ingest.Known) {
	voters := h.node.Voters()
	h.node.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			if _, taken := partitions[h.names.Partition(s.Ref.Key())]; taken {
				known = append(known, ingest.Known{
					Ref: s.Ref, Sealed: s.Stage != raftfsm.StageActive, Count: s.Count, Root: claims.NeededRoot(state, s, voters),
				})
			}
		}
	})
	return known
}

// fencesOf are the fences under which node holds partitions, by number.
func fencesOf(held []raftfsm.Holding, node string) map[int]string {
	fences := make(map[int]string)
	for n, h := range held {
		if h.Node == node {
			fences[n] = h.Fence()
		}
	}
	return fences
}

// SealTree implements raftfsm.Holder.
func (m *miner) SealTree(ctx context.Context, key chain.SessionKey, now bool) (raftfsm.Progress, error) {
	if !now && (!m.owner.Calm(key, sealCalm) || m.owner.Recovering(key, sealCalm)) {
		return raftfsm.Progress{}, errUnsettled
	}
	head, err := m.owner.Seal(ctx, key)
	switch {
	case errors.Is(err, ingest.ErrUnknownSession):
		return raftfsm.Progress{}, fmt.Errorf("%w: %w", raftfsm.ErrNoTree, err)
	case errors.Is(err, ingest.ErrNotHeld):
		return raftfsm.Progress{}, fmt.Errorf("%w: %w", raftfsm.ErrNotHeld, err)
	case err != nil:
		return raftfsm.Progress{}, err
	}
	return raftfsm.Progress{Ref: head.Ref, Seq: head.Seq, Root: head.Root, Count: head.Count, Sum: head.Sum}, nil
}

// ProveTree implements raftfsm.Holder.
func (m *miner) ProveTree(ctx context.Context, key chain.SessionKey, root, path []byte) ([]byte, error) {
	proof, err := m.archive.Prove(ctx, key, root, path)
	if errors.Is(err, archive.ErrNotArchived) {
		return nil, fmt.Errorf("%w: %w", raftfsm.ErrNoTree, err)
	}
	return proof, err
}

// ForgetTree implements raftfsm.Holder.
func (m *miner) ForgetTree(ctx context.Context, key chain.SessionKey) error {
	err := m.owner.Forget(ctx, key)
	if errors.Is(err, ingest.ErrNotHeld) {
		return fmt.Errorf("%w: %w", raftfsm.ErrNotHeld, err)
	}
	return err
}
