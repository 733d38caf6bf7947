package meter

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// flakyLedger loses calls, or their answers.
type flakyLedger struct {
	Ledger
	loseCall, loseAnswer bool
}

var errLost = errors.New("lost")

func (l *flakyLedger) Lease(ctx context.Context, s Statement, want int64) (lent, left int64, err error) {
	if l.loseCall {
		return 0, 0, errLost
	}
	lent, left, err = l.Ledger.Lease(ctx, s, want)
	if l.loseAnswer {
		return 0, 0, errLost
	}
	return lent, left, err
}

const (
	simLease  = 8
	simFlying = 4
)

// sim drives relayers of one session and knows what they served.
type sim struct {
	*world
	relayers []*simRelayer
	served   int64
	lost     int64 // what dead relayers may have held or served, at most
}

type simRelayer struct {
	meter  *Meter
	ledger *flakyLedger
	flying []*Charge
}

func (s *sim) start() *simRelayer {
	m := s.relayer()
	r := &simRelayer{meter: m, ledger: &flakyLedger{Ledger: m.ledger}}
	m.ledger = r.ledger
	return r
}

// Whatever relayers do, and whenever they die, they never serve more than the budget,
// and a dead one costs the session no more than a lease and what was in flight.
func TestAnyInterleavingKeepsTheBudget(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		s := &sim{world: newWorld(outer, rapid.Int64Range(0, 200).Draw(t, "budget"))}
		defer s.redis.Close()
		s.opts.MaxLease = simLease
		for range 3 {
			s.relayers = append(s.relayers, s.start())
		}
		steps := rapid.IntRange(1, 80).Draw(t, "steps")
		for range steps {
			s.step(t)
			s.check(t)
		}
		s.settle(t)
	})
}

func (s *sim) step(t *rapid.T) {
	i := rapid.IntRange(0, len(s.relayers)-1).Draw(t, "relayer")
	r := s.relayers[i]
	switch rapid.SampledFrom([]string{
		"reserve", "reserve", "reserve", "commit", "commit", "refund", "sweep", "wait", "lose call", "lose answer", "die", "stop",
	}).Draw(t, "step") {
	case "reserve":
		if len(r.flying) < simFlying {
			if c, err := s.reserve(r.meter); err == nil {
				r.flying = append(r.flying, &c)
			}
		}
	case "commit":
		s.finish(r, (*Charge).Commit, 1)
	case "refund":
		s.finish(r, (*Charge).Refund, 0)
	case "sweep":
		r.meter.sweep(context.Background(), 5)
	case "wait":
		s.clock = s.clock.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
	case "lose call":
		r.ledger.loseCall = !r.ledger.loseCall
	case "lose answer":
		r.ledger.loseAnswer = !r.ledger.loseAnswer
	case "die":
		// What was in flight may have been published.
		s.lost += simLease + 2*simFlying
		s.served += int64(len(r.flying))
		s.relayers[i] = s.start()
	case "stop":
		s.stop(t, r)
		s.relayers[i] = s.start()
	}
}

func (s *sim) finish(r *simRelayer, how func(*Charge), served int64) {
	if len(r.flying) > 0 {
		how(r.flying[0])
		r.flying = r.flying[1:]
		s.served += served
	}
}

// stop ends a relayer in order, with Redis there.
func (s *sim) stop(t *rapid.T, r *simRelayer) {
	for len(r.flying) > 0 {
		s.finish(r, (*Charge).Refund, 0)
	}
	r.ledger.loseCall, r.ledger.loseAnswer = false, false
	if err := r.meter.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (s *sim) check(t *rapid.T) {
	taken := s.served
	for _, r := range s.relayers {
		taken += int64(len(r.flying))
	}
	if taken > s.budget.Relays {
		t.Fatalf("%d relays are served or in flight, of a budget of %d", taken, s.budget.Relays)
	}
}

// settle stops everybody and serves what is left.
func (s *sim) settle(t *rapid.T) {
	for _, r := range s.relayers {
		s.stop(t, r)
	}
	s.served += s.exhaust(s.relayer())
	if s.served > s.budget.Relays || s.served < s.budget.Relays-s.lost {
		t.Fatalf("%d relays were served of a budget of %d, of which dead relayers may hold %d", s.served, s.budget.Relays, s.lost)
	}
}
