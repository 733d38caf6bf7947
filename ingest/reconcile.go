package ingest

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

// Known is what the group remembers of a session. It may lag behind Redis, and is
// ahead of it only if Redis lost data.
type Known struct {
	Ref    chain.SessionRef
	Sealed bool   // or further
	Count  uint64 // relays
}

// Reconcile compares what is owned with what the group remembers, after Take.
// Redis is never put back to that: it says what is there. But a session that is
// sealed takes no relay any more, whatever Redis has forgotten, and one that went
// back is named.
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
		if _, err := p.shut(ctx, key); err != nil {
			return err
		}
		p.gone[key] = true
		o.log.Warn("closed a sealed session again: redis had forgotten it", sessionFields(k.Ref)...)
		return nil
	}
	if head.Count >= k.Count {
		return nil
	}
	p.metrics.rollbacks.Inc()
	o.log.Warn("redis went back behind what the group knows; relays may come again from the relayers' spools",
		append(sessionFields(k.Ref), zap.Uint64("relays", head.Count), zap.Uint64("relays_known", k.Count))...)
	return nil
}

func sessionFields(ref chain.SessionRef) []zap.Field {
	return []zap.Field{zap.String("supplier", ref.Supplier), zap.String("session", ref.SessionID), zap.String("service", ref.Service)}
}
