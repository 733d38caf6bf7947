package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// engineWait is how long claims wait for the partitions. What needs none of
	// them goes on then.
	engineWait = 500 * time.Millisecond
	// proveTimeout bounds a proof out of Redis, and proveAside is how long none is
	// tried after one failed.
	proveTimeout = 2 * time.Second
	proveAside   = 5 * time.Second
	// sealCalm is how long a session stays open after Redis was away.
	sealCalm = 500 * time.Millisecond
)

// errUnsettled: Redis was away a moment ago.
var errUnsettled = errors.New("redis was away a moment ago: not sealed yet")

// errNoOwnership: Redis was not reached since this leadership began.
var errNoOwnership = errors.New("no partition is acquired: redis cannot be reached")

// ownership is a leader's hold on the partitions. Without one it leads all the
// same: what is sealed can be claimed from the log and proven from the archive.
type ownership struct {
	*miner
	owner  atomic.Pointer[ingest.Owner] // nil until acquired
	got    chan struct{}                // closed then
	since  time.Time                    // when, if Redis kept it waiting
	broken atomic.Pointer[time.Time]    // when Redis failed a proof last, nil for never
}

func newOwnership(m *miner) *ownership { return &ownership{miner: m, got: make(chan struct{})} }

// run acquires, and owns until ctx ends.
func (o *ownership) run(ctx context.Context, epoch raftfsm.Epoch) error {
	began := time.Now()
	owner, err := o.acquire(ctx, epoch)
	if err != nil {
		return err
	}
	if time.Since(began) > sealCalm {
		o.since = time.Now()
	}
	if err := owner.Reconcile(ctx, o.known()); err != nil {
		o.log.Warn("ownership not reconciled with the log", zap.Error(err))
	}
	o.owner.Store(owner)
	close(o.got)
	o.log.Info("partitions acquired", zap.Stringer("epoch", epoch), zap.Int("sessions", len(owner.Heads())))
	return owner.Run(ctx)
}

// known is what the group remembers of the sessions.
func (o *ownership) known() (known []ingest.Known) {
	o.node.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			known = append(known, ingest.Known{Ref: s.Ref, Sealed: s.Stage != raftfsm.StageActive, Count: s.Count})
		}
	})
	return known
}

// settle waits a little for the partitions.
func (o *ownership) settle(ctx context.Context) {
	timer := time.NewTimer(engineWait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-o.got:
	}
}

// Mark implements claims.Stream.
func (o *ownership) Mark() ingest.Mark {
	if owner := o.owner.Load(); owner != nil {
		return owner.Mark()
	}
	return nil
}

// Trim implements claims.Stream.
func (o *ownership) Trim(ctx context.Context, mark ingest.Mark) error {
	if owner := o.owner.Load(); owner != nil {
		return owner.Trim(ctx, mark)
	}
	return nil
}

// Heads implements claims.Trees.
func (o *ownership) Heads() []ingest.Head {
	if owner := o.owner.Load(); owner != nil {
		return owner.Heads()
	}
	return nil
}

// Seal implements claims.Trees.
func (o *ownership) Seal(ctx context.Context, key chain.SessionKey) (ingest.Head, error) {
	owner := o.owner.Load()
	if owner == nil {
		return ingest.Head{}, errNoOwnership
	}
	// Relayers bring what they took while Redis was away.
	if !owner.Calm(sealCalm) || time.Since(o.since) < sealCalm {
		return ingest.Head{}, errUnsettled
	}
	return owner.Seal(ctx, key)
}

// Forget implements claims.Trees.
func (o *ownership) Forget(ctx context.Context, key chain.SessionKey) error {
	if owner := o.owner.Load(); owner != nil {
		return owner.Forget(ctx, key)
	}
	return errNoOwnership
}

// Prove implements claims.Trees: from Redis, and if that fails from this node's
// archive.
func (o *ownership) Prove(ctx context.Context, key chain.SessionKey, path []byte) ([]byte, error) {
	proof, err := o.proveStored(ctx, key, path)
	if err == nil {
		return proof, nil
	}
	var root []byte
	o.node.View(func(s *raftfsm.State) {
		if session, ok := s.Session(key); ok {
			root = session.Root
		}
	})
	proof, archiveErr := o.archive.Prove(ctx, key, root, path)
	if archiveErr != nil {
		return nil, fmt.Errorf("%w; %w", err, archiveErr)
	}
	o.archivedProofs.Inc()
	o.log.Warn("proven from the archive: redis does not have the tree", zap.String("supplier", key.Supplier),
		zap.String("session", key.SessionID), zap.Error(err))
	return proof, nil
}

func (o *ownership) proveStored(ctx context.Context, key chain.SessionKey, path []byte) ([]byte, error) {
	owner := o.owner.Load()
	broken := o.broken.Load()
	if owner == nil || broken != nil && time.Since(*broken) < proveAside {
		return nil, errNoOwnership
	}
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	proof, err := owner.Prove(ctx, key, path)
	if err != nil {
		now := time.Now()
		o.broken.Store(&now)
	}
	return proof, err
}
