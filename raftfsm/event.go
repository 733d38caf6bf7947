package raftfsm

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/raftminer/raftminer/chain"
)

// Event is one thing that an applied entry changed. Replicas have the same events.
type Event struct {
	Index   uint64 // of the entry
	Name    string // session_sealed, intent_landed, epoch_opened, member_added and so on
	Session chain.SessionKey
	Intent  IntentKey
	Member  string
	Epoch   Epoch
	Detail  string
}

// witness looks at the state before a command and says afterwards what changed. A
// command that was refused, or repeated, changed nothing.
type witness struct {
	sessions []chain.SessionKey
	before   []*Session
	intent   IntentKey
	known    *Intent
	epoch    Epoch
	roster   roster
	holdings holdings
}

func newWitness(s *State, cmd Command) *witness {
	w := &witness{epoch: s.epoch, roster: s.roster, holdings: s.holdings}
	switch c := cmd.(type) {
	case *Seal:
		w.sessions = []chain.SessionKey{c.Ref.Key()}
	case *Advance:
		seen := make(map[chain.SessionKey]bool, len(c.Transitions))
		for _, t := range c.Transitions {
			if !seen[t.Key] {
				w.sessions = append(w.sessions, t.Key)
			}
			seen[t.Key] = true
		}
	case *Intend:
		w.intent = c.Intent.Key()
	case *Resolve:
		w.intent = IntentKey{Batch: c.Batch, Attempt: c.Attempt}
	}
	if w.intent != (IntentKey{}) {
		if w.known = s.intent(w.intent); w.known != nil {
			w.sessions = w.known.SessionKeys()
		}
	}
	for _, key := range w.sessions {
		w.before = append(w.before, s.session(key))
	}
	return w
}

// changes are the events since newWitness.
func (w *witness) changes(s *State) []Event {
	var events []Event
	if s.epoch != w.epoch {
		events = append(events, Event{Name: "epoch_opened", Epoch: s.epoch, Detail: s.owner})
	}
	if now := s.intent(w.intent); now != nil && (w.known == nil || w.known.Status != now.Status) {
		events = append(events, Event{
			Name: "intent_" + now.Status.String(), Intent: w.intent,
			Detail: withReason(fmt.Sprintf("%s of %s of %s", now.Kind, plural(len(now.Sessions), "session"), now.Supplier), now.Reason),
		})
	}
	for n, key := range w.sessions {
		now := s.session(key)
		if now == nil || w.before[n] != nil && sameStep(*w.before[n], *now) {
			continue
		}
		events = append(events, Event{Name: "session_" + now.Stage.String(), Session: key, Detail: detailOf(now)})
	}
	events = append(events, w.holdings.changes(s.holdings)...)
	return append(events, w.roster.changes(s.roster)...)
}

// sameStep says that a session has come no further. One that is sealed again with
// another root has.
func sameStep(before, after Session) bool {
	return before.Stage == after.Stage && (after.Stage != StageSealed || bytes.Equal(before.Root, after.Root))
}

func detailOf(r *Session) string {
	switch r.Stage {
	case StageSealed:
		return fmt.Sprintf("%d relays, %d compute units", r.Count, r.Sum)
	case StageClaimed:
		return fmt.Sprintf("at height %d", r.ClaimHeight)
	case StageProved:
		return fmt.Sprintf("at height %d", r.ProofHeight)
	case StageSettled:
		return withReason(fmt.Sprintf("%d uPOKT at height %d", r.Upokt, r.EndedHeight), r.Reason)
	}
	return withReason(fmt.Sprintf("at height %d", r.EndedHeight), r.Reason)
}

// changes are the drains between two rosters; members come and go with raft's own
// entries.
func (r *roster) changes(after roster) []Event {
	var events []Event
	for _, e := range after.enrolled {
		at, known := r.find(e.NodeID)
		switch was := known && r.enrolled[at].Drained; {
		case e.Drained && !was:
			events = append(events, Event{Name: "member_drained", Member: e.NodeID})
		case !e.Drained && was:
			events = append(events, Event{Name: "member_undrained", Member: e.NodeID})
		}
	}
	return events
}

// membershipChanges are the events between two memberships.
func membershipChanges(before, after raft.Configuration) []Event {
	var events []Event
	was := make(map[raft.ServerID]raft.Server)
	for _, s := range before.Servers {
		was[s.ID] = s
	}
	for _, s := range after.Servers {
		old, known := was[s.ID]
		delete(was, s.ID)
		event := Event{Member: string(s.ID), Detail: fmt.Sprintf("%s at %s", suffrageName(s.Suffrage), s.Address)}
		switch {
		case !known:
			event.Name = "member_added"
		case old.Suffrage != s.Suffrage && s.Suffrage == raft.Voter:
			event.Name = "member_promoted"
		case old.Suffrage != s.Suffrage:
			event.Name = "member_demoted"
		case old.Address != s.Address:
			event.Name = "member_moved"
		default:
			continue
		}
		events = append(events, event)
	}
	for _, s := range before.Servers {
		if _, gone := was[s.ID]; gone {
			events = append(events, Event{Name: "member_removed", Member: string(s.ID)})
		}
	}
	return events
}
