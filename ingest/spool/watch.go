package spool

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

const (
	watchInterval = time.Second
	// catchUpInterval is for a spool that Redis owes an answer, or that could not look:
	// the sessions of its relays may be sealed soon after Redis is back.
	catchUpInterval = 100 * time.Millisecond
	lookTimeout     = 5 * time.Second
	// republishers publish side by side, each relay within republishTimeout.
	republishers     = 64
	republishTimeout = 10 * time.Second
)

// partition is what is known of one.
type partition struct {
	last   ingest.Sight
	known  bool
	there  bool            // at the last look
	mark   ingest.Position // once trees reach it, entries up to markSeq are in them
	marked uint64          // 0: no mark is set
	stored atomic.Uint64   // entries up to here are in stored trees
	paid   uint64          // entries after this one
	owed   uint64          // and up to here have to be published again; 0: none
	follow uint64          // entries after this one are owed at the next look, too; 0: none

	away atomic.Pointer[time.Time] // when a publication failed last, nil for never
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
	saw := s.watch(ctx)
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			s.tell(context.WithoutCancel(ctx), math.MaxInt)
			return
		case now := <-ticker.C:
			if !saw || s.waiting() || now.Sub(last) >= watchInterval {
				saw = s.watch(ctx)
				last = now
			}
		}
	}
}

// watch looks at Redis once, and says whether it saw all of it. What it did not see it
// leaves as it is.
func (s *Spool) watch(ctx context.Context) (saw bool) {
	newest := s.newest()
	sights, err := s.look(ctx)
	changed := false
	for i, p := range s.parts {
		if p.there = sights[i].Seen(); !p.there {
			continue
		}
		s.letGoOf(sights[i].Safe) // nobody asks what was published of them
		s.joinDoubts(sights[i].Doubted)
		following := p.follow > 0
		if p.seen(sights[i], newest) {
			changed = true
		} else if !following {
			continue
		}
		s.doubt(i)
	}
	if changed {
		s.metrics.changes.Inc()
		s.log.Warn("redis may have lost relays, publishing them again", zap.Uint64("newest", newest))
	}
	s.tell(ctx, tellAgain)
	s.catchUp(ctx)
	for i, p := range s.parts {
		if p.owed > 0 && p.there && ctx.Err() == nil {
			s.repay(ctx, i, p)
		}
	}
	for _, sight := range sights {
		s.bring(ctx, sight.Wanted)
	}
	if err != nil {
		return false
	}
	s.looks.Add(1)
	return true
}

func (s *Spool) look(ctx context.Context) ([]ingest.Sight, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	sights, err := ingest.Look(ctx, s.rdb, s.keys, s.known())
	if err != nil {
		s.log.Debug("redis not seen", zap.Error(err))
	}
	return sights, err
}

// repay publishes again what a partition is owed. What fails stays owed.
func (s *Spool) repay(ctx context.Context, number int, p *partition) {
	entries := s.selected(func(e *entry) bool { return e.partition == number && e.seq > p.paid && e.seq <= p.owed })
	if n := s.republish(ctx, entries, s.inner.Publish); n > 0 {
		s.log.Warn("relays not published again yet", zap.Int("partition", number), zap.Int64("relays", n))
		return
	}
	p.owed = 0
}

// bring publishes again the relays of sealed sessions that Redis lost before the
// miners had their trees, once each time they ask. What fails is brought at the next look.
func (s *Spool) bring(ctx context.Context, wanted map[chain.SessionKey]ingest.Asking) {
	for key, asking := range wanted {
		if s.brought[key] == asking || ctx.Err() != nil {
			continue
		}
		entries := s.selected(func(e *entry) bool { return e.relay.Key() == key && !e.pending })
		failed := s.republish(ctx, entries, s.inner.Republish)
		if failed == 0 {
			s.brought[key] = asking
		}
		s.log.Warn("brought the relays of a sealed session again: redis had lost them", zap.String("supplier", key.Supplier),
			zap.String("session", key.SessionID), zap.Int("relays", len(entries)), zap.Int64("failed", failed))
	}
}

// republish publishes entries, the oldest first, and says how many have to be tried again.
func (s *Spool) republish(ctx context.Context, entries []*entry, publish func(context.Context, ingest.MinedRelay) error) int64 {
	var failed atomic.Int64
	var group errgroup.Group
	group.SetLimit(republishers)
	for _, e := range entries {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, republishTimeout)
			defer cancel()
			err := publish(ctx, e.relay)
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
	return failed.Load()
}

// letGoOf drops the relays of sessions that the miners have on disks of their own,
// or have done with.
func (s *Spool) letGoOf(sessions []chain.SessionKey) {
	if len(sessions) == 0 {
		return
	}
	safe := make(map[chain.SessionKey]bool, len(sessions))
	for _, key := range sessions {
		safe[key] = true
		delete(s.brought, key)
	}
	s.drop(func(e *entry) bool { return safe[e.relay.Key()] && !e.pending })
	s.close(sessions)
}
