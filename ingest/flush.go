package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// writeTimeout bounds a write. Writes are not cut off when the leadership ends:
// an owner that lost it has to learn that it is fenced, not guess.
const writeTimeout = 2 * time.Second

// change is what a flush does to one session.
type change struct {
	session *session
	head    Head // the new one
	delta   sessiontree.Delta
}

// flush stores the trees and the cursor, all or nothing. After an error nothing
// in memory can be trusted any more: the trees are dropped and read again.
func (p *partition) flush(ctx context.Context) error {
	if err := p.moored(ctx); err != nil {
		return err
	}
	if p.read == p.cursor {
		return nil
	}
	start := time.Now()
	changes, err := p.changes()
	replicated := false
	if err == nil {
		replicated, err = p.store(ctx, changes)
	}
	if err != nil {
		return p.recover(ctx, err)
	}
	for _, c := range changes {
		added := c.head.Count - c.session.head.Count
		c.session.head = c.head
		c.session.tree.Settle(c.delta)
		p.metrics.added.Add(float64(added))
		p.recovered(c.head.Ref.Key())
	}
	p.cursor, p.pending, p.held = p.read, 0, 0
	if p.reader.stored.CompareAndSwap(false, true) {
		p.metrics.firstFlush.SetToCurrentTime()
	}
	p.settleDurable(replicated)
	p.metrics.flushes.Inc()
	p.metrics.duration.Observe(time.Since(start).Seconds())
	return nil
}

// changes commits the dirty trees, in the order of their keys.
func (p *partition) changes() ([]change, error) {
	var keys []chain.SessionKey
	for key, s := range p.sessions {
		if s.tree.Dirty() {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, chain.SessionKey.Compare)
	changes := make([]change, 0, len(keys))
	for _, key := range keys {
		s := p.sessions[key]
		delta, err := s.tree.Commit()
		if err != nil {
			return nil, &treeError{key, err}
		}
		head := s.head
		head.Seq++
		head.Root, head.Count, head.Sum = delta.Root, delta.Count, delta.Sum
		changes = append(changes, change{session: s, head: head, delta: delta})
	}
	return changes, nil
}

// recover puts the partition back on what Redis holds and says so with
// errReloaded. Being fenced is final.
func (p *partition) recover(ctx context.Context, cause error) error {
	if errors.Is(cause, errReloaded) {
		return cause
	}
	if errors.Is(cause, ErrFenced) {
		p.log.Warn("write refused by the fence", zap.Int("partition", p.number), zap.Error(cause))
		return cause
	}
	p.metrics.failed.Inc()
	p.adrift = true
	err := p.reacquire(ctx)
	if key, ok := damaged(cause); ok && err == nil {
		err = p.repair(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("%w, after: %w", err, cause)
	}
	return fmt.Errorf("partition %d %w: %w", p.number, errReloaded, cause)
}

// errReloaded: the work since the last flush is lost to memory, and will be
// read from the stream again.
var errReloaded = errors.New("was put back on what is stored")
