package raftfsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDiverged stops a replica whose state is not that of the others. What it holds
// must not be voted with, saved, or acted on.
var ErrDiverged = errors.New("state differs from the group's")

// errUnmarked: there is no hash of that index, and there will be none.
var errUnmarked = fmt.Errorf("mark %w", ErrNotFound)

// marksKept is how many hashes a replica remembers.
const marksKept = 8

// stateHash is the SHA-256 of a state's canonical form.
type stateHash [sha256.Size]byte

// marks hash states aside: a clone costs next to nothing, its hash takes a while.
// One is hashed at a time, and of many that come at once, as in a replay, only the
// last are.
type marks struct {
	diverged func(index uint64, got, want stateHash) // called without locks
	agreed   atomic.Int64                            // unix ns of the last time a hash was the leader's

	mu      sync.Mutex
	kept    []*mark // oldest first
	hashing bool
	changed chan struct{} // closed and replaced when kept changes or a hash is there
}

// mark is a state at an index, then its hash.
type mark struct {
	index uint64
	state *State // nil once hashed
	hash  stateHash
	err   error
	want  *stateHash // what the leader has
}

func newMarks(diverged func(uint64, stateHash, stateHash)) *marks {
	return &marks{diverged: diverged, changed: make(chan struct{})}
}

// take begins to hash a frozen state.
func (m *marks) take(index uint64, frozen *State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = append(m.kept, &mark{index: index, state: frozen})
	m.kept = m.kept[max(0, len(m.kept)-marksKept):]
	m.tell()
	if !m.hashing {
		m.hashing = true
		go m.run()
	}
}

// run hashes until nothing is left to do.
func (m *marks) run() {
	for {
		k := m.next()
		if k == nil {
			return
		}
		hash, err := k.state.Hash()
		m.mu.Lock()
		k.hash, k.err, k.state = hash, err, nil
		want := k.want
		m.tell()
		m.mu.Unlock()
		switch {
		case err != nil || want == nil:
		case *want == hash:
			m.agreed.Store(time.Now().UnixNano())
		default:
			m.diverged(k.index, hash, *want)
		}
	}
}

func (m *marks) next() *mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		if k.state != nil {
			return k
		}
	}
	m.hashing = false
	return nil
}

func (m *marks) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// expect says what the hash at a mark must be. It is compared now, or when it is
// there; differs is true if it is there and another one.
func (m *marks) expect(index uint64, want stateHash) (got stateHash, differs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		if k.index != index {
			continue
		}
		k.want = &want
		if k.state != nil || k.err != nil {
			return stateHash{}, false
		}
		if k.hash == want {
			m.agreed.Store(time.Now().UnixNano())
		}
		return k.hash, k.hash != want
	}
	return stateHash{}, false
}

// await is the hash at a mark, once it is there.
func (m *marks) await(ctx context.Context, index uint64) (stateHash, error) {
	for {
		k, changed := m.find(index)
		switch {
		case k == nil:
			return stateHash{}, fmt.Errorf("%w: %d", errUnmarked, index)
		case k.index == index && k.state == nil:
			return k.hash, k.err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return stateHash{}, fmt.Errorf("hash at entry %d: %w", index, context.Cause(ctx))
		}
	}
}

// find is a copy of the mark of an index, or one of no index if it may still come;
// nil if it will not.
func (m *marks) find(index uint64) (*mark, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		if k.index == index {
			found := *k
			return &found, m.changed
		}
	}
	if n := len(m.kept); n > 0 && m.kept[n-1].index > index {
		return nil, nil
	}
	return &mark{}, m.changed
}
