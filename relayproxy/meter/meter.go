package meter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

// Why a relay is not served.
var (
	// ErrOverBudget: the application cannot pay for more relays of this session.
	ErrOverBudget = errors.New("over budget")
	// ErrUnavailable: nobody knows whether it can. Redis is away for longer than the
	// grace, or the chain, and this relayer has used its part.
	ErrUnavailable = errors.New("relay meter unavailable")
)

// Options are what an operator may choose.
type Options struct {
	// Grace is how long a relayer goes on without Redis when its part is used up.
	// It then serves, of each session, no more than a sixteenth of what was left
	// when Redis was last there. 0: not at all.
	Grace time.Duration
	// MaxLease bounds the relays that a relayer holds ahead of time: what is lost to
	// the session when it dies.
	MaxLease int64
}

// Budgets knows what the chain pays for a session. It caches: every lease asks.
type Budgets interface {
	RelayBudget(ctx context.Context, ref chain.SessionRef) (chain.Budget, error)
}

// Meter is a relayer's part of every session's budget. It is safe for concurrent
// use.
type Meter struct {
	relayer string // its name in the ledger; another one after each start
	opts    Options
	budgets Budgets
	ledger  Ledger
	metrics *metrics
	log     *zap.Logger
	now     func() time.Time
	spawn   func(func()) // runs work that nobody waits for

	mu       sync.RWMutex
	sessions map[chain.SessionKey]*session
	outages  map[int]*outage // by partition

	blackout outage // of all of them
}

// New makes a meter; Run tends it and Close gives back what is unused.
func New(opts Options, budgets Budgets, ledger Ledger, reg prometheus.Registerer, log *zap.Logger) *Meter {
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	opts.MaxLease = max(opts.MaxLease, 1)
	return &Meter{
		relayer: hex.EncodeToString(name), opts: opts, budgets: budgets, ledger: ledger, metrics: newMetrics(reg), log: log,
		now: time.Now, spawn: func(f func()) { go f() },
		sessions: make(map[chain.SessionKey]*session), outages: make(map[int]*outage),
	}
}

// Reserve takes one relay of the session's budget, which must be committed or
// refunded. It waits for Redis only when the relayer's part is used up.
func (m *Meter) Reserve(ctx context.Context, ref chain.SessionRef, windows chain.Windows) (Charge, error) {
	s := m.session(ref, windows)
	for {
		out := s.take()
		if out.lease {
			m.spawn(s.lease)
		}
		if out.wait == nil {
			m.metrics.refused(out.err)
			return out.charge, out.err
		}
		select {
		case <-out.wait:
		case <-ctx.Done():
			m.metrics.refused(ErrUnavailable)
			return Charge{}, ErrUnavailable
		}
	}
}

// session finds or makes the state of a session.
func (m *Meter) session(ref chain.SessionRef, windows chain.Windows) *session {
	m.mu.RLock()
	s, ok := m.sessions[ref.Key()]
	m.mu.RUnlock()
	if ok {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok = m.sessions[ref.Key()]; !ok {
		s = &session{
			meter: m, ref: ref, windows: windows, outage: m.outageOf(m.ledger.Partition(ref.Key())),
			part: part{want: min(firstLease, m.opts.MaxLease)},
		}
		m.sessions[ref.Key()] = s
		m.metrics.sessions.Inc()
	}
	return s
}

// outageOf is that of a partition; the caller holds mu.
func (m *Meter) outageOf(partition int) *outage {
	o, ok := m.outages[partition]
	if !ok {
		o = new(outage)
		m.outages[partition] = o
	}
	return o
}
