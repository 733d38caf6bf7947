package raftfsm

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// FSM lets raft drive a State. All raft calls come from one goroutine; View may
// come from any.
type FSM struct {
	fatal   func(error)
	observe func(time.Duration) // how long a command took
	marks   *marks
	ledger  Ledger // nil for none

	// rosterChanged says that members were admitted or retired, or that the
	// generation moved. Its capacity is 1.
	rosterChanged chan struct{}

	// restored says that a snapshot replaced the state. Its capacity is 1.
	restored chan struct{}

	mu      sync.RWMutex
	state   *State
	moved   chan struct{} // closed when partitions change hands, and replaced
	history history
	broken  error // set once; nothing is applied, saved or restored after it
}

// applied is what Apply hands to the raft future.
type applied struct {
	result Result
	err    error
}

// NewFSM starts from an empty state. fatal is called, once, with the reason for
// which this replica must stop: an entry that it cannot read. Neither may block.
// ledger may be nil.
func NewFSM(fatal func(error), observe func(time.Duration), ledger Ledger) *FSM {
	f := &FSM{
		fatal: fatal, observe: observe, ledger: ledger, state: NewState(), moved: make(chan struct{}),
		rosterChanged: make(chan struct{}, 1), restored: make(chan struct{}, 1),
	}
	f.marks = newMarks(f.diverge)
	return f
}

// Apply implements raft.FSM.
func (f *FSM) Apply(entry *raft.Log) any {
	start := time.Now()
	defer func() { f.observe(time.Since(start)) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return applied{err: f.broken}
	}
	cmd, err := DecodeCommand(entry.Data)
	if err != nil {
		// Skipping the entry would let this replica drift away from the others, in
		// silence. It stops instead, with the log untouched, so that a build that
		// knows the command can go on from here.
		f.stop(fmt.Errorf("log entry %d of term %d: %w", entry.Index, entry.Term, err))
		return applied{err: f.broken}
	}
	seen, forgotten := newWitness(f.state, cmd), f.forgetting(cmd)
	result, err := f.state.Apply(cmd)
	if err == nil && len(forgotten) > 0 {
		f.ledger.Keep(forgotten)
	}
	f.history.note(entry.Index, seen.changes(f.state))
	switch cmd.Kind() {
	case KindInit, KindOpenEpoch, KindAdmit, KindRetire:
		f.noteRoster()
	}
	switch cmd.Kind() {
	case KindInit, KindOpenEpoch, KindAssign:
		f.noteMoves()
	}
	if err == nil {
		f.mark(entry.Index, cmd)
	}
	result.Index = entry.Index
	return applied{result: result, err: err}
}

// mark does what a mark or a comparison asks this replica for.
func (f *FSM) mark(index uint64, cmd Command) {
	switch c := cmd.(type) {
	case *Mark:
		f.marks.take(index, f.state.clone())
	case *Compare:
		if c.Commands != CommandSet {
			return
		}
		if got, differs := f.marks.expect(c.Index, stateHash(c.Hash)); differs {
			f.stop(divergence(c.Index, got, stateHash(c.Hash)))
		}
	}
}

// diverge stops a replica whose hash turned out to be another than the leader's.
func (f *FSM) diverge(index uint64, got, want stateHash) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop(divergence(index, got, want))
}

func divergence(index uint64, got, want stateHash) error {
	return fmt.Errorf("%w: hash at entry %d is %x, the leader's %x", ErrDiverged, index, got, want)
}

// stop makes sure that nothing comes out of this replica any more.
func (f *FSM) stop(reason error) {
	if f.broken == nil {
		f.broken = reason
		f.fatal(reason)
	}
}

// Snapshot implements raft.FSM. It takes microseconds: the copy shares records.
func (f *FSM) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	return frozen{state: f.state.clone(), ledger: f.ledger}, nil
}

// freeze is a copy of the state that no longer changes. To clone is to write: the
// trees note that they are shared.
func (f *FSM) freeze() *State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.clone()
}

// Restore implements raft.FSM. The snapshot is read and checked in full before it
// replaces the state; a bad one leaves the state as it was.
func (f *FSM) Restore(snapshot io.ReadCloser) error {
	defer func() { _ = snapshot.Close() }()
	restored, err := DecodeState(snapshot)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	if have := f.state.clusterID; have != "" && have != restored.clusterID {
		return fmt.Errorf("%w: snapshot of %q for %q", ErrClusterMismatch, restored.clusterID, have)
	}
	f.state = restored
	f.history.forget()
	signal(f.restored)
	f.noteRoster()
	f.noteMoves()
	return nil
}

func (f *FSM) noteRoster() { signal(f.rosterChanged) }

// signal wakes whoever listens, or will.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default: // it is woken already
	}
}

// noteMoves wakes those who wait for partitions to change hands.
func (f *FSM) noteMoves() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// holdings are what they are now, and a channel that closes when they may change.
func (f *FSM) holdings() ([]Holding, <-chan struct{}) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.Holdings(), f.moved
}

// StoreConfiguration implements raft.ConfigurationStore: memberships come in the
// order of the log, between the commands.
func (f *FSM) StoreConfiguration(index uint64, members raft.Configuration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history.noteMembers(index, members)
}

// events is what changed after an index, see history.
func (f *FSM) events(after uint64, limit int) (events []Event, upTo, complete uint64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.history.since(after, limit)
}

// lastIndex is the last entry that was applied since the last snapshot, 0 if none.
func (f *FSM) lastIndex() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.history.upTo
}

// View runs fn with the state as it is. fn must neither keep the state nor block.
func (f *FSM) View(fn func(*State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fn(f.state)
}

// frozen is a state that no longer changes, waiting to be written.
type frozen struct {
	state  *State
	ledger Ledger
}

// Persist implements raft.FSMSnapshot. What the state has forgotten must be in the
// ledger first: the log, which could tell it again, may be cut after a snapshot.
func (s frozen) Persist(sink raft.SnapshotSink) error {
	if s.ledger != nil {
		if err := s.ledger.Sync(); err != nil {
			_ = sink.Cancel() // the ledger's error says more
			return fmt.Errorf("keep what was forgotten: %w", err)
		}
	}
	if err := s.state.Encode(sink); err != nil {
		_ = sink.Cancel() // the encoding error says more
		return err
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (s frozen) Release() {}
