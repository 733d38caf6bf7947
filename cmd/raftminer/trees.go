package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// settleWait is how long claims wait for this leader's partitions. What needs
	// none of them goes on then.
	settleWait = 500 * time.Millisecond
	settlePoll = 5 * time.Millisecond
	// proveTimeout bounds a proof out of Redis, headsTimeout a look at the heads of
	// partitions that others hold, and peerTimeout a question to a holder.
	proveTimeout = 2 * time.Second
	headsTimeout = time.Second
	peerTimeout  = 5 * time.Second
	// setAside is how long what failed like that is not tried again.
	setAside = 5 * time.Second
)

// errSetAside: it failed a moment ago.
var errSetAside = errors.New("failed a moment ago, not tried again yet")

// trees are all trees of the group, as its leader works with them: what it holds
// itself, and what others hold. Without Redis it leads all the same: what is sealed
// can be claimed from the log and proven from the archive.
type trees struct {
	*miner
	epoch raftfsm.Epoch
	mu    sync.Mutex
	aside map[string]time.Time // when something failed, until when it is left alone
}

func newTrees(m *miner, epoch raftfsm.Epoch) *trees {
	return &trees{miner: m, epoch: epoch, aside: make(map[string]time.Time)}
}

// settle waits a little for this leader's partitions.
func (t *trees) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()
	for {
		held, _ := t.node.Holdings()
		if len(t.owner.Held()) >= len(fencesOf(held, t.cfg.Miner.NodeID)) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Heads implements claims.Trees.
func (t *trees) Heads(ctx context.Context) (heads []ingest.Head) {
	held := t.owner.Held()
	for _, h := range t.owner.Heads() {
		if _, here := held[t.names.Partition(h.Ref.Key())]; here { // not one that came since
			heads = append(heads, h)
		}
	}
	var elsewhere []int
	for n := range t.names.Partitions() {
		if _, here := held[n]; !here {
			elsewhere = append(elsewhere, n)
		}
	}
	if len(elsewhere) == 0 {
		return heads
	}
	err := t.unlessAside("heads", func() error {
		ctx, cancel := context.WithTimeout(ctx, headsTimeout)
		defer cancel()
		stored, err := ingest.StoredHeads(ctx, t.redis, t.names, elsewhere)
		heads = append(heads, stored...)
		return err
	})
	if err != nil && !errors.Is(err, errSetAside) && ctx.Err() == nil {
		t.log.Warn("partitions held elsewhere cannot be looked at", zap.Error(err))
	}
	return heads
}

// Seal implements claims.Trees.
func (t *trees) Seal(ctx context.Context, key chain.SessionKey, now bool) (ingest.Head, error) {
	var sealed raftfsm.Progress
	err := t.byHolder(key, func() (err error) {
		sealed, err = t.SealTree(ctx, key, now)
		return err
	}, func(member string) (err error) {
		ctx, cancel := context.WithTimeout(ctx, peerTimeout)
		defer cancel()
		sealed, err = t.node.SealAt(ctx, member, t.epoch, key, now)
		return err
	})
	if errors.Is(err, raftfsm.ErrNoTree) {
		return ingest.Head{}, fmt.Errorf("%w: %w", ingest.ErrUnknownSession, err)
	}
	return ingest.Head{Ref: sealed.Ref, Seq: sealed.Seq, Root: sealed.Root, Count: sealed.Count, Sum: sealed.Sum, Sealed: true}, err
}

// Forget implements claims.Trees.
func (t *trees) Forget(ctx context.Context, key chain.SessionKey) error {
	return t.byHolder(key, func() error {
		return t.ForgetTree(ctx, key)
	}, func(member string) error {
		ctx, cancel := context.WithTimeout(ctx, peerTimeout)
		defer cancel()
		return t.node.ForgetAt(ctx, member, t.epoch, key)
	})
}

// Incomplete implements claims.Trees.
func (t *trees) Incomplete(key chain.SessionKey, root []byte) bool {
	return t.archivist.Incomplete(key, root)
}

// Told implements claims.Trees.
func (t *trees) Told(ctx context.Context, key chain.SessionKey) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, headsTimeout)
	defer cancel()
	return ingest.Told(ctx, t.redis, t.names, key)
}

// Doubted implements claims.Trees.
func (t *trees) Doubted(ctx context.Context) (refs []chain.SessionRef) {
	err := t.unlessAside("doubts", func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, headsTimeout)
		defer cancel()
		refs, err = ingest.Doubted(ctx, t.redis, t.names)
		return err
	})
	if err != nil && !errors.Is(err, errSetAside) && ctx.Err() == nil {
		t.log.Warn("sessions that relayers doubt cannot be looked at", zap.Error(err))
	}
	return refs
}

// byHolder does a thing here or has it done by the member that holds key's partition.
func (t *trees) byHolder(key chain.SessionKey, here func() error, there func(member string) error) error {
	held, _ := t.node.Holdings()
	n := t.names.Partition(key)
	if n >= len(held) {
		return fmt.Errorf("%w: nobody holds partition %d", raftfsm.ErrNotHeld, n)
	}
	member := held[n].Node
	if member == t.cfg.Miner.NodeID {
		return here()
	}
	return t.at(member, func() error { return there(member) })
}

// at asks a member. One that does not answer is left alone for a while, so that it does
// not hold up the trees of others.
func (t *trees) at(member string, ask func() error) error {
	var refusal error
	err := t.unlessAside("member "+member, func() error {
		refusal = ask()
		if errors.Is(refusal, raftfsm.ErrUnreachable) {
			return refusal
		}
		return nil
	})
	return cmp.Or(err, refusal)
}

// Prove implements claims.Trees: from Redis, and if that fails from an archive.
func (t *trees) Prove(ctx context.Context, key chain.SessionKey, path []byte) ([]byte, error) {
	var session raftfsm.Session
	t.node.View(func(s *raftfsm.State) { session, _ = s.Session(key) })
	var proof []byte
	err := t.unlessAside("proof", func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, proveTimeout)
		defer cancel()
		if t.owner.Holds(key) {
			proof, err = t.owner.Prove(ctx, key, path)
		} else {
			proof, err = ingest.ProveStored(ctx, t.redis, t.names, key, session.Root, path)
		}
		return err
	})
	if err == nil {
		return proof, nil
	}
	proof, from, archiveErr := t.proveArchived(ctx, key, session, path)
	if archiveErr != nil {
		return nil, fmt.Errorf("%w; %w", err, archiveErr)
	}
	t.archivedProofs.Inc()
	t.log.Warn("proven from the archive: redis does not have the tree", zap.String("supplier", key.Supplier),
		zap.String("session", key.SessionID), zap.String("archive", from), zap.Error(err))
	return proof, nil
}

// proveArchived proves from this node's archive, or else from that of another member.
func (t *trees) proveArchived(ctx context.Context, key chain.SessionKey, s raftfsm.Session, path []byte) (proof []byte, from string, err error) {
	proof, err = t.archive.Prove(ctx, key, s.Root, path)
	if err == nil {
		return proof, t.cfg.Miner.NodeID, nil
	}
	for _, member := range s.Archives {
		if member == t.cfg.Miner.NodeID {
			continue
		}
		failed := t.at(member, func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, peerTimeout)
			defer cancel()
			proof, err = t.node.ProveAt(ctx, member, t.epoch, key, s.Root, path)
			return err
		})
		if failed == nil {
			return proof, member, nil
		}
		err = fmt.Errorf("%w; %w", err, failed)
	}
	return nil, "", err
}

// unlessAside does what has not failed a moment ago.
func (t *trees) unlessAside(what string, do func() error) error {
	t.mu.Lock()
	until := t.aside[what]
	t.mu.Unlock()
	if time.Now().Before(until) {
		return fmt.Errorf("%s: %w", what, errSetAside)
	}
	err := do()
	if err != nil {
		t.mu.Lock()
		t.aside[what] = time.Now().Add(setAside)
		t.mu.Unlock()
	}
	return err
}
