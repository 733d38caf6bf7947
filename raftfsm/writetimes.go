package raftfsm

import (
	"slices"
	"sync"
	"time"
)

// writeTimes are the last durable writes, for an operator who asks how the disk is.
type writeTimes struct {
	mu   sync.Mutex
	last [256]time.Duration
	next int
	full bool
}

func (w *writeTimes) note(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[w.next] = d
	w.next = (w.next + 1) % len(w.last)
	w.full = w.full || w.next == 0
}

// quantiles are the median and the 99th percentile; 0 before the first write.
func (w *writeTimes) quantiles() (p50, p99 time.Duration) {
	w.mu.Lock()
	seen := slices.Clone(w.last[:w.next])
	if w.full {
		seen = slices.Clone(w.last[:])
	}
	w.mu.Unlock()
	if len(seen) == 0 {
		return 0, 0
	}
	slices.Sort(seen)
	return seen[len(seen)/2], seen[len(seen)*99/100]
}
