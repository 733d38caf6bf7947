package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

// Known is what the group remembers of a session. It may lag behind Redis, and is
// ahead of it only if Redis lost data.
type Known struct {
	Ref    chain.SessionRef
	Sealed bool   // or further
	Count  uint64 // relays
	// Root is that of a sealed tree that only Redis has, or too few members; nil for
	// all others.
	Root []byte
}

// Reconcile compares what is owned with what the group remembers, after Take.
// Redis is never put back to that: it says what is there. But a session that is
// sealed takes no new relay, whatever Redis has forgotten, and one that went back is
// named. If Redis lost a sealed tree that it should still have, relayers are asked
// for its relays.
func (o *Owner) Reconcile(ctx context.Context, known []Known) error {
	var errs []error
	for _, k := range known {
		if err := o.reconcile(ctx, k); err != nil {
			errs = append(errs, fmt.Errorf("reconcile session %s of %s: %w", k.Ref.SessionID, k.Ref.Supplier, err))
		}
	}
	return errors.Join(errs...)
}

func (o *Owner) reconcile(ctx context.Context, k Known) error {
	key := k.Ref.Key()
	p := o.partitionOf(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader == nil {
		return nil
	}
	var head Head
	if s, ok := p.sessions[key]; ok {
		head = s.head
	}
	if k.Sealed {
		if head.Sealed || p.gone[key] {
			return nil
		}
		if k.Root != nil {
			return p.want(ctx, k)
		}
		if err := p.markClosed(ctx, closingArchived, key); err != nil {
			return err
		}
		p.gone[key] = true
		o.log.Warn("closed a sealed session again: redis had forgotten it", sessionFields(k.Ref)...)
		return nil
	}
	p.wentBack(k.Ref, head.Count, k.Count)
	return nil
}

// wentBack notes that an open session has fewer relays in Redis than it is known to
// have had.
func (p *partition) wentBack(ref chain.SessionRef, has, had uint64) {
	if has >= had {
		return
	}
	if p.behind == nil {
		p.behind = make(map[chain.SessionKey]shortfall)
	}
	p.behind[ref.Key()] = shortfall{relays: max(had, p.behind[ref.Key()].relays), since: time.Now()}
	p.metrics.rollbacks.Inc()
	p.log.Warn("redis went back behind what is known of a session; relays may come again from the relayers' spools",
		append(sessionFields(ref), zap.Uint64("relays", has), zap.Uint64("relays_known", had))...)
}

// shortfall is what Redis lost of an open session.
type shortfall struct {
	relays uint64    // that it had
	since  time.Time // when it was noticed, or relays of it came last
}

// Recovering says that key has fewer relays than it had when Redis went back.
// Relayers may be bringing them again: it is over once none came for longer than
// patience.
func (o *Owner) Recovering(key chain.SessionKey, patience time.Duration) bool {
	p := o.partitionOf(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	short, ok := p.behind[key]
	if !ok || time.Since(short.since) > patience {
		return false
	}
	s, ok := p.sessions[key]
	return !ok || s.head.Count < short.relays
}

// recovered notes that relays of a session came.
func (p *partition) recovered(key chain.SessionKey) {
	if short, ok := p.behind[key]; ok {
		short.since = time.Now()
		p.behind[key] = short
	}
}

func sessionFields(ref chain.SessionRef) []zap.Field {
	return []zap.Field{zap.String("supplier", ref.Supplier), zap.String("session", ref.SessionID), zap.String("service", ref.Service)}
}
