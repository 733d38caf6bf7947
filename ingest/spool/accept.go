package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

const (
	// streamPatience is how long a relay waits for Redis before the spool takes it,
	// and awayFor how long none waits after that.
	streamPatience = 300 * time.Millisecond
	awayFor        = time.Second
)

var (
	errAway = errors.New("redis was away a moment ago")
	// ErrFull: the spool holds as many relays that Redis does not have as it may.
	ErrFull = errors.New("spool is full")
)

// try publishes. Without a directory a relay waits for Redis as long as its
// caller does.
func (s *Spool) try(ctx context.Context, relay ingest.MinedRelay) error {
	if s.disk == nil {
		return s.inner.Publish(ctx, relay)
	}
	away := &s.parts[s.keys.Partition(relay.Key())].away
	if last := away.Load(); last != nil && time.Since(*last) < awayFor {
		return errAway
	}
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	err := s.inner.Publish(ctx, relay)
	if err != nil && !isClosed(err) {
		now := time.Now()
		away.Store(&now)
	}
	return err
}

// accept takes a relay that Redis does not have. It has to be on disk, and what
// was accepted before has to stay.
func (s *Spool) accept(relay ingest.MinedRelay, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending+len(relay.Relay)+entryOverhead > s.opts.MaxBytes {
		return fmt.Errorf("%w: %w", ErrFull, cause)
	}
	to := s.write(relay)
	if to == nil {
		return cause
	}
	s.hold(relay, to, true)
	s.metrics.accepted.Inc()
	return nil
}

// Ready returns nil while relays that Redis does not take are not refused.
func (s *Spool) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disk == nil || s.pending >= s.opts.MaxBytes*9/10 {
		return ErrFull
	}
	return nil
}

// waiting says that there are relays that Redis does not have.
func (s *Spool) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending > 0
}

// catchUp publishes what was accepted while Redis was away. A session that was
// sealed meanwhile takes no relay: those are lost, and named.
func (s *Spool) catchUp(ctx context.Context) {
	waiting := s.selected(func(e *entry) bool { return e.pending && s.parts[e.partition].there })
	if len(waiting) == 0 {
		return
	}
	var failed atomic.Int64
	var group errgroup.Group
	group.SetLimit(republishers)
	var late sync.Map // entries
	for _, e := range waiting {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, republishTimeout)
			defer cancel()
			switch err := s.inner.Publish(ctx, e.relay); {
			case isClosed(err):
				late.Store(e, true)
			case err != nil:
				failed.Add(1)
			default:
				s.mu.Lock()
				defer s.mu.Unlock()
				s.arrived(e)
				s.count(e.relay)
			}
			return nil
		})
	}
	_ = group.Wait() // failures are counted
	lost := make(map[chain.SessionKey]int)
	// Late ones must not be kept: they are not in the sealed tree, should that be
	// asked for.
	s.drop(func(e *entry) bool {
		_, gone := late.Load(e)
		if gone {
			lost[e.relay.Key()]++
		}
		return gone
	})
	for key, n := range lost {
		s.metrics.late.Add(float64(n))
		s.log.Error("relays accepted while redis was away came after their session was sealed",
			zap.String("supplier", key.Supplier), zap.String("session", key.SessionID), zap.Int("relays_lost", n))
	}
	if n := failed.Load(); n > 0 {
		s.log.Warn("relays accepted while redis was away wait on", zap.Int64("relays", n))
	}
}
