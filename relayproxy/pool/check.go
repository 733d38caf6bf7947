package pool

import (
	"context"
	"sync"
	"time"
)

// Check asks each member from time to time whether it is well.
type Check struct {
	Interval  time.Duration
	Timeout   time.Duration
	Failures  int // in a row that take a member out; the very first one does it alone
	Successes int // in a row that bring it back
	Ask       func(ctx context.Context, m *Member) error
}

// RunCheck asks until ctx ends.
func (s *Set) RunCheck(ctx context.Context, c Check) {
	var wg sync.WaitGroup
	for _, m := range s.members {
		wg.Go(func() {
			v := &verdict{Check: c, member: m}
			every(ctx, c.Interval, func() { v.ask(ctx) })
		})
	}
	wg.Wait()
}

// verdict is what the answers of one member come to.
type verdict struct {
	Check
	member    *Member
	asked     bool
	good, bad int // in a row
}

func (v *verdict) ask(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	err := v.Ask(limited, v.member)
	if ctx.Err() != nil {
		return // it was us who ended
	}
	first := !v.asked
	v.asked = true
	if err != nil {
		v.good, v.bad = 0, v.bad+1
		if first || v.bad >= v.Failures {
			v.member.judge(Unhealthy, true)
		}
		return
	}
	v.good, v.bad = v.good+1, 0
	if v.good >= v.Successes {
		v.member.judge(Unhealthy, false)
	}
}

// every does something now and at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
