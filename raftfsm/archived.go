package raftfsm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/raftminer/raftminer/chain"
)

// maxArchives bounds the nodes that a record names.
const maxArchives = 16

// Archived records that Node keeps the leaves of sealed trees on its own disk.
// What is not sealed any more, or forgotten, is passed over: reports come late.
type Archived struct {
	Epoch Epoch          `cbor:"1,keyasint"`
	Node  string         `cbor:"2,keyasint"`
	Trees []ArchivedTree `cbor:"3,keyasint"`
}

// ArchivedTree is a sealed tree.
type ArchivedTree struct {
	Key  chain.SessionKey `cbor:"1,keyasint"`
	Root []byte           `cbor:"2,keyasint"`
}

// Kind implements Command.
func (Archived) Kind() Kind { return KindArchived }

func (c Archived) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if !validNodeID(c.Node) {
		return Result{}, fmt.Errorf("%w: archive on node %q", ErrInvalid, c.Node)
	}
	for _, t := range c.Trees {
		known := s.session(t.Key)
		if known != nil && known.Stage != StageActive && !bytes.Equal(known.Root, t.Root) {
			return Result{}, fmt.Errorf("%w: session %s of %s is sealed with root %x, %s archived %x",
				ErrConflict, t.Key.SessionID, t.Key.Supplier, known.Root, c.Node, t.Root)
		}
	}
	for _, t := range c.Trees {
		s.archived(t.Key, c.Node)
	}
	return Result{}, nil
}

// ArchivesOf are the nodes that archived r and are still in the group. What a node
// archived that left is gone.
func (s *State) ArchivesOf(r Session) (members []string) {
	for _, node := range r.Archives {
		if _, ok := s.Enrolment(node); ok {
			members = append(members, node)
		}
	}
	return members
}

func (s *State) archived(key chain.SessionKey, node string) {
	known := s.session(key)
	if known == nil || known.Stage == StageActive || known.Stage.Terminal() {
		return
	}
	at, there := slices.BinarySearch(known.Archives, node)
	if there || len(known.Archives) >= maxArchives {
		return
	}
	after := *known
	after.Archives = slices.Insert(slices.Clone(known.Archives), at, node)
	s.sessions.Set(&after)
}
