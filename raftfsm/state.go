package raftfsm

import (
	"iter"

	"github.com/tidwall/btree"

	"github.com/raftminer/raftminer/chain"
)

// State is everything the group agrees on. It is not safe for concurrent use:
// FSM guards it. Trees keep it in key order, so whatever is encoded, hashed or
// listed comes out the same on every node, and they copy on write, so a snapshot
// costs next to nothing.
type State struct {
	clusterID  string
	partitions int
	generation uint64 // bumped by offline recovery
	epoch      Epoch
	owner      string
	roster     roster
	holdings   holdings

	sessions *btree.BTreeG[*Session] // records are replaced, never changed
	intents  *btree.BTreeG[*Intent]  // likewise
	index    intentIndex             // derived from intents
}

// Result is what an accepted command answers.
type Result struct {
	// Intent is, for Intend and Resolve, the intent that stands.
	Intent Intent
	// Fresh is true if this very Intend created it. False means that an earlier
	// one won, and its bytes, not the proposed ones, may be sent.
	Fresh bool
	// Index is the log index of the command, set by Node.Apply.
	Index uint64
}

// NewState is the state before the first command.
func NewState() *State {
	opts := btree.Options{NoLocks: true}
	return &State{
		sessions: btree.NewBTreeGOptions(sessionLess, opts),
		intents:  btree.NewBTreeGOptions(intentLess, opts),
		index:    newIntentIndex(),
	}
}

func sessionLess(a, b *Session) bool { return a.Ref.Key().Compare(b.Ref.Key()) < 0 }
func intentLess(a, b *Intent) bool   { return a.Key().Compare(b.Key()) < 0 }

// Apply executes cmd. A refused command changes nothing. Both outcomes are the
// same on every replica.
func (s *State) Apply(cmd Command) (Result, error) { return cmd.apply(s) }

// ClusterID is the id fixed by Init; empty before it.
func (s *State) ClusterID() string { return s.clusterID }

// Partitions is the number of ingest partitions fixed by Init.
func (s *State) Partitions() int { return s.partitions }

// Generation counts the offline recoveries, from 1.
func (s *State) Generation() uint64 { return s.generation }

// Epoch is the open epoch and Owner the miner that it belongs to.
func (s *State) Epoch() (epoch Epoch, owner string) { return s.epoch, s.owner }

// Session is the record of key. Its slices must not be changed.
func (s *State) Session(key chain.SessionKey) (Session, bool) {
	if found := s.session(key); found != nil {
		return *found, true
	}
	return Session{}, false
}

// Sessions are all records in key order. Their slices must not be changed.
func (s *State) Sessions() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		s.sessions.Scan(func(r *Session) bool { return yield(*r) })
	}
}

// SessionCount is the number of records.
func (s *State) SessionCount() int { return s.sessions.Len() }

// StageCounts says how many sessions are at each stage.
func (s *State) StageCounts() map[Stage]int {
	counts := make(map[Stage]int)
	s.sessions.Scan(func(r *Session) bool {
		counts[r.Stage]++
		return true
	})
	return counts
}

// Intent is one attempt of a batch. Its slices must not be changed.
func (s *State) Intent(batch string, attempt uint32) (Intent, bool) {
	if found := s.intent(IntentKey{Batch: batch, Attempt: attempt}); found != nil {
		return *found, true
	}
	return Intent{}, false
}

// LastIntent is the latest attempt of a batch.
func (s *State) LastIntent(batch string) (Intent, bool) {
	var last *Intent
	s.intents.Descend(&Intent{Batch: batch, Attempt: ^uint32(0)}, func(i *Intent) bool {
		if i.Batch == batch {
			last = i
		}
		return false
	})
	if last == nil {
		return Intent{}, false
	}
	return *last, true
}

// Intents are all intents by batch and attempt. Their slices must not be changed.
func (s *State) Intents() iter.Seq[Intent] {
	return func(yield func(Intent) bool) {
		s.intents.Scan(func(i *Intent) bool { return yield(*i) })
	}
}

// IntentsOf are the intents that a session is or was in, by batch and attempt.
func (s *State) IntentsOf(key chain.SessionKey) []Intent {
	keys := s.index.of[key]
	found := make([]Intent, 0, len(keys))
	for _, k := range keys {
		found = append(found, *s.intent(k))
	}
	return found
}

// clone is a state that shares all records with s and can be read while s goes
// on changing. It cannot be applied to: it has no index.
func (s *State) clone() *State {
	c := *s
	c.sessions, c.intents = s.sessions.Copy(), s.intents.Copy()
	c.index = intentIndex{}
	return &c
}

func (s *State) session(key chain.SessionKey) *Session {
	probe := Session{Ref: chain.SessionRef{Supplier: key.Supplier, SessionID: key.SessionID}}
	found, _ := s.sessions.Get(&probe)
	return found
}

func (s *State) intent(key IntentKey) *Intent {
	found, _ := s.intents.Get(&Intent{Batch: key.Batch, Attempt: key.Attempt})
	return found
}
