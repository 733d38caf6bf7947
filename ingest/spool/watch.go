package spool

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

const (
	watchInterval = time.Second
	// catchUpInterval is for a spool that Redis owes an answer: the sessions of its
	// relays may be sealed soon after Redis is back.
	catchUpInterval = 100 * time.Millisecond
	lookTimeout     = 5 * time.Second
	// closedGrace is how long relays of a closed session are kept: its tree may
	// have to be archived yet.
	closedGrace = time.Minute
	// republishers publish side by side, each relay within republishTimeout.
	republishers     = 64
	republishTimeout = 10 * time.Second
)

// partition is what is known of one.
type partition struct {
	last   ingest.Sight
	known  bool
	mark   ingest.Position // once trees reach it, entries up to markSeq are in them
	marked uint64          // 0: no mark is set
	stored atomic.Uint64   // entries up to here are in stored trees
	paid   uint64          // entries after this one
	owed   uint64          // and up to here have to be published again; 0: none
	follow uint64          // entries after this one are owed at the next look, too; 0: none
}

// protects says whether an entry that leaves is in a stored tree.
func (p *partition) protects(seq uint64) string {
	if seq <= p.stored.Load() {
		return "stored"
	}
	return "not_stored"
}

// seen takes in what a look brought, and reports whether Redis may have lost
// relays since the one before it. newest is the last entry before the look.
func (p *partition) seen(now ingest.Sight, newest uint64) (changed bool) {
	before := p.last
	changed = p.known && (now.Instance != before.Instance || now.Last.Compare(before.Last) < 0 || now.Cursor.Compare(before.Cursor) < 0)
	p.last, p.known = now, true
	switch {
	case changed:
		p.stored.Store(0)
		p.marked, p.paid, p.owed, p.follow = 0, 0, newest, max(newest, 1)
	case p.follow > 0:
		// A relay that went to the old server just after the look is owed, too.
		if p.owed == 0 {
			p.paid = p.follow
		}
		p.owed, p.follow = newest, 0
	case p.marked == 0:
		p.mark, p.marked = now.Last, newest
	case now.Cursor.Compare(p.mark) >= 0:
		p.stored.Store(p.marked)
		p.marked = 0
	}
	return changed
}

// Run watches Redis and publishes again what it may have lost, until ctx ends.
func (s *Spool) Run(ctx context.Context) {
	ticker := time.NewTicker(catchUpInterval)
	defer ticker.Stop()
	s.watch(ctx, time.Now())
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if s.waiting() || now.Sub(last) >= watchInterval {
				s.watch(ctx, now)
				last = now
			}
		}
	}
}

// watch looks at Redis once.
func (s *Spool) watch(ctx context.Context, now time.Time) {
	lookCtx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	newest := s.newest()
	sights, err := ingest.Look(lookCtx, s.rdb, s.keys, s.heldSessions())
	if err != nil {
		s.log.Debug("redis not seen", zap.Error(err))
		return
	}
	defer s.looks.Add(1)
	changed := false
	for i, p := range s.parts {
		changed = p.seen(sights[i], newest) || changed
	}
	if changed {
		s.metrics.changes.Inc()
		s.log.Warn("redis may have lost relays, publishing them again", zap.Uint64("newest", newest))
	}
	s.catchUp(ctx)
	for i, p := range s.parts {
		if p.owed > 0 && ctx.Err() == nil {
			s.republish(ctx, i, p)
		}
	}
	s.forgetClosed(sights, now)
}

// republish publishes what a partition is owed, the oldest first. What fails
// stays owed.
func (s *Spool) republish(ctx context.Context, number int, p *partition) {
	entries := s.of(number, p.paid, p.owed)
	var failed atomic.Int64
	var group errgroup.Group
	group.SetLimit(republishers)
	for _, e := range entries {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, republishTimeout)
			defer cancel()
			err := s.inner.Publish(ctx, e.relay)
			switch {
			case err == nil:
				s.metrics.republished.WithLabelValues("published").Inc()
			case isClosed(err):
				s.metrics.republished.WithLabelValues("session_closed").Inc()
			default:
				failed.Add(1)
				s.metrics.republished.WithLabelValues("failed").Inc()
			}
			return nil
		})
	}
	_ = group.Wait() // failures are counted
	if n := failed.Load(); n > 0 {
		s.log.Warn("relays not published again yet", zap.Int("partition", number), zap.Int64("relays", n))
		return
	}
	p.owed = 0
}

// forgetClosed drops relays of sessions that have been closed for a while.
func (s *Spool) forgetClosed(sights []ingest.Sight, now time.Time) {
	gone := make(map[chain.SessionKey]bool)
	still := make(map[chain.SessionKey]time.Time)
	for _, sight := range sights {
		for _, key := range sight.Closed {
			since, known := s.shut[key]
			if !known {
				since = now
			}
			if now.Sub(since) >= closedGrace {
				gone[key] = true
				continue
			}
			still[key] = since
		}
	}
	s.shut = still
	s.drop(gone)
}
