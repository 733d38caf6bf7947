package pool

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Freshness compares the heads of the members from time to time.
type Freshness struct {
	Interval time.Duration
	Timeout  time.Duration
	MaxLag   uint64 // blocks that a member may be behind the others
	Head     func(ctx context.Context, m *Member) (uint64, error)
}

// RunFreshness compares until ctx ends.
func (s *Set) RunFreshness(ctx context.Context, f Freshness) {
	every(ctx, f.Interval, func() {
		limited, cancel := context.WithTimeout(ctx, f.Timeout)
		defer cancel()
		heads := make([]head, len(s.members))
		var wg sync.WaitGroup
		for i, m := range s.members {
			wg.Go(func() {
				number, err := f.Head(limited, m)
				heads[i] = head{number, err == nil}
			})
		}
		wg.Wait()
		if ctx.Err() == nil {
			s.compare(heads, f.MaxLag)
		}
	})
}

// head is what a member said of its newest block.
type head struct {
	number uint64
	known  bool
}

// compare takes out the members that lag behind the middle one of all heads, the
// higher of two: one node that is wrong about a block far ahead cannot take out all
// others. Who did not answer stays as it was, for the check and the failures to
// judge.
func (s *Set) compare(heads []head, maxLag uint64) {
	var known []uint64
	for _, h := range heads {
		if h.known {
			known = append(known, h.number)
		}
	}
	if len(known) == 0 {
		return
	}
	slices.Sort(known)
	middle := known[len(known)/2]
	for i, m := range s.members {
		if heads[i].known {
			m.judge(Lagging, middle > maxLag && heads[i].number < middle-maxLag)
		}
	}
}
