package raftfsm

import (
	"fmt"
	"slices"
	"strings"
)

// Assign gives ingest partitions to nodes. Whoever had one stops, or is fenced.
type Assign struct {
	Epoch Epoch  `cbor:"1,keyasint"`
	Moves []Move `cbor:"2,keyasint"`
}

// Move gives one partition to a node.
type Move struct {
	Partition int    `cbor:"1,keyasint"`
	Node      string `cbor:"2,keyasint"`
}

// Kind implements Command.
func (Assign) Kind() Kind { return KindAssign }

// Holding is the one node that may write the trees of a partition.
type Holding struct {
	Node  string `cbor:"1,keyasint"`
	Epoch Epoch  `cbor:"2,keyasint"` // in which it was given
	// Move counts the changes of hands of all partitions. It is 0 for a leader that
	// holds them all because nothing was assigned yet.
	Move uint64 `cbor:"3,keyasint,omitempty"`
}

// Fence is what the holder writes under: of two holdings of a partition the later
// has the greater one, compared as strings. See Epoch.String.
func (h Holding) Fence() string {
	if h.Move == 0 {
		return h.Epoch.String()
	}
	return fmt.Sprintf("%s.%012d", h.Epoch, h.Move)
}

// holdings are replaced, never changed: snapshots share them.
type holdings struct {
	list  []Holding // by partition; empty while the leader holds all
	moves uint64
}

// Holdings say who holds each partition; none before the first epoch.
func (s *State) Holdings() []Holding {
	if len(s.holdings.list) > 0 || s.epoch.IsZero() {
		return slices.Clone(s.holdings.list)
	}
	return slices.Repeat([]Holding{{Node: ownerNode(s.owner), Epoch: s.epoch}}, s.partitions)
}

// ownerNode is the node of an owner, which is node id # boot id.
func ownerNode(owner string) string {
	node, _, _ := strings.Cut(owner, "#")
	return node
}

func (c Assign) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	given := make(map[int]bool, len(c.Moves))
	for _, m := range c.Moves {
		if m.Partition < 0 || m.Partition >= s.partitions || given[m.Partition] || !validNodeID(m.Node) {
			return Result{}, fmt.Errorf("%w: partition %d to %q", ErrInvalid, m.Partition, m.Node)
		}
		given[m.Partition] = true
	}
	if len(c.Moves) > 0 {
		s.assign(c.Moves)
	}
	return Result{}, nil
}

// assign hands partitions over in the open epoch.
func (s *State) assign(moves []Move) {
	list := s.Holdings()
	s.holdings.moves++
	for _, m := range moves {
		list[m.Partition] = Holding{Node: m.Node, Epoch: s.epoch, Move: s.holdings.moves}
	}
	s.holdings.list = list
}

// inherit gives what the last leader held to the new one, in the entry that opens
// its epoch: there is no other round of the group between a leader's death and the
// first flush of what it held.
func (s *State) inherit(last string) {
	var moves []Move
	for n, h := range s.holdings.list {
		if h.Node == ownerNode(last) {
			moves = append(moves, Move{Partition: n, Node: ownerNode(s.owner)})
		}
	}
	if len(moves) > 0 {
		s.assign(moves)
	}
}

// check refuses holdings that no sequence of commands could have made.
func (h *holdings) check(partitions int, epoch Epoch) error {
	if len(h.list) != 0 && len(h.list) != partitions {
		return fmt.Errorf("%d holdings of %d partitions", len(h.list), partitions)
	}
	for n, held := range h.list {
		if !validNodeID(held.Node) || held.Move > h.moves || held.Epoch.IsZero() || held.Epoch.Compare(epoch) > 0 {
			return fmt.Errorf("the holding of partition %d is not sound", n)
		}
	}
	return nil
}

// changes tells who was given partitions since.
func (h *holdings) changes(after holdings) []Event {
	if h.moves == after.moves {
		return nil
	}
	counts := make(map[string]int)
	for _, held := range after.list {
		if held.Move > h.moves {
			counts[held.Node]++
		}
	}
	var events []Event
	for node, count := range counts {
		events = append(events, Event{Name: "partitions_assigned", Member: node, Detail: plural(count, "partition")})
	}
	slices.SortFunc(events, func(a, b Event) int { return strings.Compare(a.Member, b.Member) })
	return events
}
