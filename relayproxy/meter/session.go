package meter

import (
	"sync"
	"time"

	"github.com/raftminer/raftminer/chain"
)

// session is this relayer's part of one budget. The ledger knows it as one number,
//
//	held = free + flying + used,
//
// and keeps the sum over all relayers within the budget. Serving moves relays from
// free to flying to used, or back, and leaves held alone; a lease makes it larger,
// giving back smaller. Only what is served by grace makes it larger unasked.
type session struct {
	meter   *Meter
	ref     chain.SessionRef
	windows chain.Windows
	outage  *outage // of its partition

	mu sync.Mutex
	part
	calls
	grace
	rest

	budget chain.Budget
	known  bool // budget is
}

// part is what the relayer holds.
type part struct {
	free   int64 // may be served without asking
	flying int64 // reserved
	used   int64 // committed
	want   int64 // what it likes to have free
}

// calls are those to the ledger.
type calls struct {
	calling chan struct{} // closed when the one under way has ended; nil: none is
	number  int64         // of the last statement
	unsure  bool          // the ledger may have noted another number than held
	leased  time.Time     // when the last lease was granted
	next    time.Time     // no lease is asked for before
}

// grace is what may be done without the ledger.
type grace struct {
	away  time.Time // since when leases fail; zero: the last one did not
	share int64     // what may still be served
}

// rest is how long nothing was taken.
type rest struct {
	busy   bool // something was, since the last sweep
	sweeps int  // for which nothing was
}

// held is the relayer's part; the caller holds mu.
func (s *session) held() int64 { return s.free + s.flying + s.used }

// outcome of take: a charge, or an error, or something to wait for.
type outcome struct {
	charge Charge
	err    error
	wait   <-chan struct{}
	lease  bool // the caller must run lease
}

// take reserves one relay if that is possible now.
func (s *session) take() (out outcome) {
	now := s.meter.now
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = true
	ready := func() bool { return s.calling == nil && !now().Before(s.next) }
	switch {
	case s.free > 0:
		s.free--
		out.charge = s.fly()
		if s.free < s.want/2 && ready() {
			s.call()
			out.lease = true
		}
	case !s.away.IsZero(): // one at a time waits for a Redis that was away
		out.charge, out.err = s.takeGrace(now())
		if ready() {
			if wait := s.call(); out.err != nil {
				out.wait = wait
			}
			out.lease = true
		}
	case s.calling != nil:
		out.wait = s.calling
	case ready():
		out.wait, out.lease = s.call(), true
	default:
		out.err = ErrOverBudget
	}
	return out
}

func (s *session) fly() Charge {
	s.flying++
	return Charge{session: s}
}

// call notes that a call to the ledger begins: they are made one after another.
func (s *session) call() <-chan struct{} {
	s.calling = make(chan struct{})
	return s.calling
}

// called notes that it has ended; the caller holds mu.
func (s *session) called() {
	close(s.calling)
	s.calling = nil
}

// takeGrace serves without Redis, within limits of time and number.
func (s *session) takeGrace(now time.Time) (Charge, error) {
	grace := s.meter.opts.Grace
	if s.share <= 0 || now.Sub(s.away) >= grace || s.outage.lasts(now) >= grace || s.meter.blackout.lasts(now) >= grace {
		return Charge{}, ErrUnavailable
	}
	s.share--
	s.meter.metrics.graced.Inc()
	return s.fly(), nil
}
