package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	sweepEvery = time.Second
	idleSweeps = 10 // for which nothing was taken, before what is free is given back
	callLimit  = 2 * time.Second
)

// Run gives back what is not used and forgets sessions that are over, until ctx
// ends. height is the chain's.
func (m *Meter) Run(ctx context.Context, height func() int64) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.sweep(ctx, height())
		}
	}
}

// sweep looks after every session. What fails is tried again at the next one, with the
// others of its partition.
func (m *Meter) sweep(ctx context.Context, height int64) {
	failed := make(map[*outage]bool)
	for _, s := range m.all() {
		if !failed[s.outage] {
			failed[s.outage] = m.sweepOne(ctx, s, height) != nil
		}
	}
}

func (m *Meter) sweepOne(ctx context.Context, s *session, height int64) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	keep, ended := s.look(height)
	if !ended && s.outage.lasts(m.now()) > 0 {
		return nil // what is given back to a ledger that is away is lost
	}
	if !ended {
		return s.giveBack(ctx, keep)
	}
	// Claims are closed, so every relayer has stopped serving the session. The first
	// one removes its meter.
	err := m.ledger.Remove(ctx, s.ref.Key())
	if err != nil && height <= s.windows.Settlement {
		return err
	}
	if err == nil {
		s.answered()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s.ref.Key())
	m.metrics.sessions.Dec()
	return nil
}

// look is what a session should keep free, and whether it has ended.
func (s *session) look(height int64) (keep int64, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		s.busy, s.sweeps = false, 0
	} else {
		s.sweeps++
	}
	switch {
	case height > s.windows.ClaimClose && s.flying == 0:
		return 0, true
	case height >= s.windows.ClaimOpen || s.sweeps >= idleSweeps:
		return 0, false
	}
	return s.want, false // more is free after refunds
}

func (m *Meter) all() []*session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Values(m.sessions))
}

// Close gives back all that is free. No relay may be in flight any more.
func (m *Meter) Close(ctx context.Context) error {
	var errs []error
	for _, s := range m.all() {
		errs = append(errs, s.giveBack(ctx, 0))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give back leases: %w", err)
	}
	return nil
}
