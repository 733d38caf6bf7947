package raftfsm

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// fed is an FSM that applied the commands, the first at index first.
func fed(t *testing.T, f *FSM, first uint64, commands ...Command) *FSM {
	t.Helper()
	for n, cmd := range commands {
		f.Apply(logged(t, first+uint64(n), cmd))
	}
	return f
}

func names(events []Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%d %s", e.Index, e.Name))
	}
	return out
}

// Only what changed something is an event: not what was refused, nor what was
// said before.
func TestEventsAreChanges(t *testing.T) {
	f, _ := newTestFSM()
	stale := seal("t")
	stale.Epoch = epoch2
	fed(t, f, 1,
		Init{"c", 4}, OpenEpoch{epoch1, "m1#a"}, OpenEpoch{epoch1, "m1#a"},
		seal("s"), seal("s"), stale,
		intend("b", 1, EffectClaim, "s"), intend("b", 1, EffectClaim, "s"),
		resolve("b", 1, IntentLanded), resolve("b", 1, IntentLanded),
		advance("s", StageSettled), advance("s", StageSettled), forget("s"))
	got, upTo, complete := f.events(0, 100)
	want := []string{
		"2 epoch_opened", "4 session_sealed", "7 intent_pending", "9 intent_landed", "9 session_claimed", "11 session_settled",
	}
	if !slices.Equal(names(got), want) || upTo != 13 || complete != 0 {
		t.Errorf("got %q up to %d, complete after %d, want %q up to 13, 0", names(got), upTo, complete, want)
	}
}

func TestMembershipEvents(t *testing.T) {
	server := func(id, addr string, s raft.ServerSuffrage) raft.Server {
		return raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(addr), Suffrage: s}
	}
	group := func(list ...raft.Server) raft.Configuration { return raft.Configuration{Servers: list} }
	f, _ := newTestFSM()
	f.StoreConfiguration(1, group(server("a", "a:1", raft.Voter)))
	f.StoreConfiguration(2, group(server("a", "a:1", raft.Voter), server("b", "b:1", raft.Nonvoter)))
	f.StoreConfiguration(3, group(server("a", "a:1", raft.Voter), server("b", "b:1", raft.Voter)))
	f.StoreConfiguration(4, group(server("a", "a:2", raft.Voter), server("b", "b:1", raft.Nonvoter)))
	f.StoreConfiguration(5, group(server("b", "b:1", raft.Nonvoter)))
	f.StoreConfiguration(6, group(server("b", "b:1", raft.Nonvoter)))
	got, _, _ := f.events(0, 100)
	want := []string{"1 member_added", "2 member_added", "3 member_promoted", "4 member_moved", "4 member_demoted", "5 member_removed"}
	if !slices.Equal(names(got), want) {
		t.Errorf("got %q, want %q", names(got), want)
	}
	restarted, _ := newTestFSM()
	restarted.StoreConfiguration(2, group(server("a", "a:1", raft.Voter), server("b", "b:1", raft.Nonvoter)))
	if got, _, _ := restarted.events(0, 100); !slices.Equal(names(got), []string{"2 members_changed"}) {
		t.Errorf("after a restart: %q", names(got))
	}
}

// A replica that began with a snapshot says from where on it knows, and tells the
// same from there.
func TestHistoryAfterARestore(t *testing.T) {
	f, _ := newTestFSM()
	fed(t, f, 1, Init{"c", 4}, OpenEpoch{epoch1, "m1#a"}, seal("s"))
	var snapshot bytes.Buffer
	f.View(func(s *State) { snapshot.Write(encoded(t, s)) })
	later, _ := newTestFSM()
	if err := later.Restore(io.NopCloser(&snapshot)); err != nil {
		t.Fatal(err)
	}
	if events, upTo, complete := later.events(2, 100); len(events) != 0 || upTo != 2 || complete != 0 {
		t.Errorf("right after the restore: %q, %d, %d", names(events), upTo, complete)
	}
	for _, each := range []*FSM{f, later} {
		fed(t, each, 10, seal("t"), advance("t", StageSkipped))
	}
	want, _, _ := f.events(9, 100)
	got, upTo, complete := later.events(2, 100)
	if !slices.Equal(names(got), names(want)) || upTo != 11 || complete != 9 {
		t.Errorf("got %q up to %d, complete after %d, want %q, 11, 9", names(got), upTo, complete, names(want))
	}
}

// Whoever polls sees each event once, whatever the pages, or is told of the gap.
func TestHistoryIsSeenOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, index := &history{}, uint64(0)
		var all, seen []Event
		after := uint64(0)
		poll := func() {
			events, upTo, complete := h.since(after, rapid.IntRange(1, 50).Draw(t, "limit"))
			if complete > after {
				for _, e := range all[len(seen):] {
					if e.Index <= complete {
						seen = append(seen, e) // told to be lost
					}
				}
			}
			seen = append(seen, events...)
			if upTo < after {
				t.Fatalf("went back from %d to %d", after, upTo)
			}
			after = upTo
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "poll") {
				poll()
				continue
			}
			index += rapid.Uint64Range(1, 3).Draw(t, "step")
			if index < 4 {
				index = 1 // the log begins with a membership
			}
			events := make([]Event, rapid.SampledFrom([]int{0, 1, 3, historySize / 3}).Draw(t, "events"))
			if h.upTo >= index {
				continue
			}
			h.note(index, events)
			for range events {
				all = append(all, Event{Index: index})
			}
		}
		for n := len(all) + 2; len(seen) < len(all) && n > 0; n-- {
			poll()
		}
		if !slices.Equal(seen, all) {
			t.Fatalf("saw %d events, there were %d", len(seen), len(all))
		}
		if len(h.events) > historySize {
			t.Fatalf("%d events are kept", len(h.events))
		}
	})
}
