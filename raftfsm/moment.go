package raftfsm

import (
	"sync/atomic"
	"time"
)

// moment is an instant that goroutines share. It is kept as a distance from a fixed
// start and so carries the monotonic clock: kept as a wall time, a clock that is
// set would make what just happened look old, or yet to come.
type moment struct {
	start time.Time
	since atomic.Int64 // ns; 0 for never
}

func newMoment() *moment { return &moment{start: time.Now()} }

// mark sets the moment to now.
func (m *moment) mark() { m.since.Store(max(1, int64(time.Since(m.start)))) }

// get is the zero time if mark was never called.
func (m *moment) get() time.Time {
	since := m.since.Load()
	if since == 0 {
		return time.Time{}
	}
	return m.start.Add(time.Duration(since))
}
