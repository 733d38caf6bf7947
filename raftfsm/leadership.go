package raftfsm

import "sync"

// leadership holds the latest word from raft on whether this node leads. Raft
// blocks when nobody takes its word, so one goroutine does nothing else.
type leadership struct {
	mu      sync.Mutex
	leader  bool
	changed chan struct{} // closed at the next word
}

func newLeadership() *leadership { return &leadership{changed: make(chan struct{})} }

// follow takes every word until the channel closes.
func (l *leadership) follow(words <-chan bool) {
	for leader := range words {
		l.mu.Lock()
		l.leader = leader
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
	}
}

// now is the latest word, and a channel that closes when there is a newer one. A
// loss that was followed by a win closes it too: it is another term.
func (l *leadership) now() (leader bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leader, l.changed
}
