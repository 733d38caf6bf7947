package raftfsm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Enrolment is what the group knows of a member: which data directory speaks for
// its id, and which commands its build understands. A directory that was lost
// comes back as another instance, and must not vote under the id it had.
type Enrolment struct {
	NodeID   string `cbor:"1,keyasint"`
	Instance string `cbor:"2,keyasint"`
	// Number counts admissions. Of two views of a member, the one with the higher
	// number is the later.
	Number   uint64 `cbor:"3,keyasint"`
	Version  string `cbor:"4,keyasint,omitempty"`
	Commands uint8  `cbor:"5,keyasint,omitempty"` // command set of its build
	Drained  bool   `cbor:"6,keyasint,omitempty"` // must not lead while another can
}

// Retirement is a data directory that was removed from the group for good.
type Retirement struct {
	NodeID   string `cbor:"1,keyasint"`
	Instance string `cbor:"2,keyasint"`
}

// maxRetired bounds the memory of removed directories; the oldest is forgotten.
const maxRetired = 128

// roster is the part of the state that knows members. Its slices are replaced,
// never changed: snapshots share them.
type roster struct {
	admissions uint64
	enrolled   []Enrolment // by node id
	retired    []Retirement
}

// Admit records that Instance speaks for NodeID, and what its build knows. An id
// whose earlier instance was not retired cannot be taken over.
type Admit struct {
	Epoch    Epoch  `cbor:"1,keyasint"`
	NodeID   string `cbor:"2,keyasint"`
	Instance string `cbor:"3,keyasint"`
	Version  string `cbor:"4,keyasint,omitempty"`
	Commands uint8  `cbor:"5,keyasint,omitempty"`
}

// Retire bars the instance of NodeID from ever coming back. A member that is not
// enrolled is none of its business, so it can be repeated.
type Retire struct {
	Epoch  Epoch  `cbor:"1,keyasint"`
	NodeID string `cbor:"2,keyasint"`
}

// Drain says whether a member should keep from leading.
type Drain struct {
	Epoch   Epoch  `cbor:"1,keyasint"`
	NodeID  string `cbor:"2,keyasint"`
	Drained bool   `cbor:"3,keyasint,omitempty"`
}

// Kind implements Command.
func (Admit) Kind() Kind { return KindAdmit }

// Kind implements Command.
func (Retire) Kind() Kind { return KindRetire }

// Kind implements Command.
func (Drain) Kind() Kind { return KindDrain }

// Enrolment is what is known of a member.
func (s *State) Enrolment(nodeID string) (Enrolment, bool) {
	at, found := s.roster.find(nodeID)
	if !found {
		return Enrolment{}, false
	}
	return s.roster.enrolled[at], true
}

// Enrolments are all members that are known, by id.
func (s *State) Enrolments() []Enrolment { return slices.Clone(s.roster.enrolled) }

// Retired says whether a data directory was removed from the group.
func (s *State) Retired(instance string) bool {
	return slices.ContainsFunc(s.roster.retired, func(r Retirement) bool { return r.Instance == instance })
}

func (c Admit) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if !validNodeID(c.NodeID) || c.Instance == "" {
		return Result{}, fmt.Errorf("%w: admit %q with instance %q", ErrInvalid, c.NodeID, c.Instance)
	}
	if s.Retired(c.Instance) {
		return Result{}, fmt.Errorf("%w: the data directory of %s was removed from this group", ErrConflict, c.NodeID)
	}
	e, known := s.Enrolment(c.NodeID)
	if known && e.Instance != c.Instance {
		return Result{}, fmt.Errorf("%w: %s is enrolled with another data directory", ErrConflict, c.NodeID)
	}
	if !known {
		s.roster.admissions++
		e = Enrolment{NodeID: c.NodeID, Instance: c.Instance, Number: s.roster.admissions}
	}
	e.Version, e.Commands = c.Version, c.Commands
	s.roster.put(e)
	return Result{}, nil
}

func (c Retire) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	s.roster.retire(c.NodeID)
	return Result{}, nil
}

func (c Drain) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	e, known := s.Enrolment(c.NodeID)
	if !known {
		return Result{}, fmt.Errorf("member %s: %w", c.NodeID, ErrNotFound)
	}
	e.Drained = c.Drained
	s.roster.put(e)
	return Result{}, nil
}

func (r *roster) find(nodeID string) (int, bool) {
	return slices.BinarySearchFunc(r.enrolled, nodeID, func(e Enrolment, id string) int {
		return strings.Compare(e.NodeID, id)
	})
}

func (r *roster) put(e Enrolment) {
	at, found := r.find(e.NodeID)
	r.enrolled = slices.Clone(r.enrolled)
	if found {
		r.enrolled[at] = e
		return
	}
	r.enrolled = slices.Insert(r.enrolled, at, e)
}

func (r *roster) retire(nodeID string) {
	at, found := r.find(nodeID)
	if !found {
		return
	}
	gone := r.enrolled[at]
	r.enrolled = slices.Delete(slices.Clone(r.enrolled), at, at+1)
	r.retired = append(slices.Clone(r.retired), Retirement{NodeID: gone.NodeID, Instance: gone.Instance})
	r.retired = r.retired[max(0, len(r.retired)-maxRetired):]
}

// check refuses a roster that no sequence of commands could have made.
func (r *roster) check() error {
	if !slices.IsSortedFunc(r.enrolled, func(a, b Enrolment) int { return cmp.Compare(a.NodeID, b.NodeID) }) {
		return fmt.Errorf("members are out of order")
	}
	for i, e := range r.enrolled {
		if !validNodeID(e.NodeID) || e.Instance == "" || e.Number > r.admissions {
			return fmt.Errorf("member %q is not sound", e.NodeID)
		}
		if i > 0 && e.NodeID == r.enrolled[i-1].NodeID {
			return fmt.Errorf("member %s is there twice", e.NodeID)
		}
	}
	return nil
}
