package meter

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// firstLease is small: most sessions see few relays of one relayer. It doubles
	// while leases last for less than a second, and halves when they last long.
	firstLease = 16
	leaseFast  = time.Second
	leaseSlow  = 10 * time.Second

	leaseTimeout = 500 * time.Millisecond
	askAgain     = time.Second            // after a lease of nothing: others may give back
	tryAgain     = 200 * time.Millisecond // after a failure
	graceShare   = 16
)

// errAway: the ledger did not answer a moment ago.
var errAway = errors.New("the ledger is away")

// lease asks for more. It is run once for each call that take has noted.
func (s *session) lease() {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	budget, err := s.meter.budgets.RelayBudget(ctx, s.ref)
	s.mu.Lock()
	if err == nil {
		s.budget, s.known = budget, true
	} else if s.known {
		err = nil // the chain is away: the budget is what it was
	}
	want := max(1, s.want-s.free)
	statement := s.statement()
	s.mu.Unlock()

	var lent, left int64
	if err == nil && !s.outage.probe(s.meter.now()) {
		err = errAway
	}
	if err == nil {
		began := s.meter.now()
		lent, left, err = s.meter.ledger.Lease(ctx, statement, want)
		s.meter.metrics.latency.Observe(s.meter.now().Sub(began).Seconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.called()
	if err != nil {
		s.failed(err)
		return
	}
	s.granted(lent, left)
}

// statement is what the relayer holds now; the caller holds mu.
func (s *session) statement() Statement {
	s.number++
	return Statement{
		Key: s.ref.Key(), Application: s.ref.Application, Relayer: s.meter.relayer,
		Number: s.number, Held: s.held(), Used: s.used, Budget: s.budget.Relays,
	}
}

func (s *session) granted(lent, left int64) {
	now := s.meter.now()
	s.answered()
	s.unsure = false
	s.away, s.next = time.Time{}, time.Time{}
	s.free += lent
	s.share = left / graceShare
	if lent == 0 {
		s.meter.metrics.leases("exhausted").Inc()
		s.next = now.Add(askAgain)
		return
	}
	s.meter.metrics.leases("granted").Inc()
	switch lasted := now.Sub(s.leased); {
	case s.leased.IsZero():
	case lasted < leaseFast:
		s.want = min(2*s.want, s.meter.opts.MaxLease)
	case lasted > leaseSlow:
		s.want = max(s.want/2, min(firstLease, s.meter.opts.MaxLease))
	}
	s.leased = now
}

// failed notes that the ledger did not answer, or that the budget is not known.
func (s *session) failed(err error) {
	now := s.meter.now()
	s.unsure = true
	s.meter.metrics.leases("failed").Inc()
	s.meter.log.Debug("lease failed", zap.String("session_id", s.ref.SessionID), zap.Error(err))
	s.meter.blackout.begin(now)
	if s.outage.begin(now) {
		s.meter.log.Warn("relay meter cannot lease", zap.Duration("grace", s.meter.opts.Grace),
			zap.Int("partition", s.meter.ledger.Partition(s.ref.Key())), zap.Error(err))
	}
	if s.away.IsZero() {
		s.away = now
		if s.leased.IsZero() { // it never heard of the ledger: all may be left
			s.share = s.budget.Relays / graceShare
		}
	}
	s.next = now.Add(tryAgain)
}

// answered notes that the ledger did.
func (s *session) answered() {
	s.outage.end()
	s.meter.blackout.end()
}

// giveBack returns what is free beyond keep.
func (s *session) giveBack(ctx context.Context, keep int64) error {
	s.mu.Lock()
	if s.calling != nil || !s.known || s.free <= keep && !s.unsure {
		s.mu.Unlock()
		return nil
	}
	s.call()
	s.free = min(s.free, keep)
	statement := s.statement()
	s.mu.Unlock()
	// If this fails, what was free is lost to the session: the ledger may have it.
	_, _, err := s.meter.ledger.Lease(ctx, statement, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called()
	s.unsure = err != nil
	return err
}

// outage is since when no lease of a partition, or of any, has succeeded. While that of a
// partition lasts, all its sessions together ask the ledger no more often than one would.
type outage struct {
	mu    sync.Mutex
	start time.Time
	next  time.Time
}

// probe reports whether the ledger may be asked now.
func (o *outage) probe(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start.IsZero() {
		return true
	}
	if now.Before(o.next) {
		return false
	}
	o.next = now.Add(tryAgain)
	return true
}

func (o *outage) begin(now time.Time) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if first = o.start.IsZero(); first {
		o.start, o.next = now, now.Add(tryAgain)
	}
	return first
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start = time.Time{}
}

// lasts is 0 while there is none.
func (o *outage) lasts(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start.IsZero() {
		return 0
	}
	return now.Sub(o.start)
}
