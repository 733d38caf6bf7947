package raftfsm

import (
	"slices"

	"github.com/hashicorp/raft"
)

// historySize is how many events a replica remembers.
const historySize = 8192

// history is what the last entries changed on this replica. It is not replicated
// and not kept over a restart, but entries are applied again then, so that all
// replicas that know an index tell the same of it. FSM guards it.
type history struct {
	events  []Event
	after   uint64 // every event of an index above this is known
	upTo    uint64 // the last entry that was looked at
	members raft.Configuration
	// restored: the state came from a snapshot, at an index that the FSM is not
	// told; nothing is known until the next entry says where the log goes on.
	restored bool
}

// note files what the entry at index changed.
func (h *history) note(index uint64, events []Event) {
	if h.restored || h.upTo == 0 {
		h.events, h.after, h.restored = nil, index-1, false
	}
	h.upTo = index
	for _, e := range events {
		e.Index = index
		h.events = append(h.events, e)
	}
	if len(h.events) > historySize {
		// Cut more than is needed, so that it is not done for every entry, and never
		// between events of one entry.
		cut := len(h.events) - historySize*3/4
		h.after = h.events[cut-1].Index
		for cut < len(h.events) && h.events[cut].Index == h.after {
			cut++
		}
		h.events = slices.Clone(h.events[cut:])
	}
}

// noteMembers files a change of membership.
func (h *history) noteMembers(index uint64, after raft.Configuration) {
	events := membershipChanges(h.members, after)
	if len(h.members.Servers) == 0 && index > 1 {
		// What it was before is in a snapshot that the FSM does not get to see.
		events = []Event{{Name: "members_changed", Detail: summarizeMembers(after)}}
	}
	h.members = after
	h.note(index, events)
}

// forget starts anew after a restore.
func (h *history) forget() { *h = history{restored: true} }

// since is a stretch of events above an index: about limit if there are so many,
// and all of an entry or none. upTo is how far it reaches; events up to complete are
// not known any more.
func (h *history) since(after uint64, limit int) (events []Event, upTo, complete uint64) {
	if h.restored || h.upTo == 0 {
		return nil, after, 0
	}
	from, _ := slices.BinarySearchFunc(h.events, after, func(e Event, index uint64) int {
		if e.Index <= index {
			return -1
		}
		return 1
	})
	rest := h.events[from:]
	if len(rest) <= limit {
		return slices.Clone(rest), max(h.upTo, after), h.after
	}
	for limit < len(rest) && rest[limit].Index == rest[limit-1].Index {
		limit++
	}
	return slices.Clone(rest[:limit]), rest[limit-1].Index, h.after
}
