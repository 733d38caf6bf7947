package raftfsm

import (
	"reflect"
	"slices"
	"testing"
)

func archivedBy(node string, ids ...string) Archived {
	c := Archived{Epoch: epoch1, Node: node}
	for _, id := range ids {
		c.Trees = append(c.Trees, ArchivedTree{Key: key(id), Root: root(1)})
	}
	return c
}

func TestArchived(t *testing.T) {
	foreign := archivedBy("m9", "s")
	foreign.Trees[0].Root = root(2)
	stale := archivedBy("m9", "s")
	stale.Epoch = Epoch{Generation: 1, Term: 1}
	active := Checkpoint{Epoch: epoch1, Progress: []Progress{{Ref: ref(supplier, "active"), Seq: 1, Root: root(7)}}}
	s := NewState()
	for i, step := range append(opened(),
		step{cmd: seal("s")}, step{cmd: seal("gone")}, step{cmd: active},
		step{cmd: archivedBy("m2", "s", "unknown", "active")},
		step{cmd: archivedBy("m1", "s")}, step{cmd: archivedBy("m2", "s")},
		step{cmd: foreign, want: ErrConflict}, step{cmd: stale, want: ErrStaleEpoch},
		step{cmd: archivedBy("", "s"), want: ErrInvalid},
		step{cmd: advance("gone", StageLost)}, step{cmd: archivedBy("m1", "gone")},
		step{cmd: advance("s", StageClaimed)}, step{cmd: archivedBy("m3", "s")},
	) {
		_, err := s.Apply(step.cmd)
		if step.want != nil || err != nil {
			wantErrorAt(t, i, err, step.want)
		}
	}
	for id, want := range map[string][]string{"s": {"m1", "m2", "m3"}, "gone": nil, "active": nil} {
		if got, _ := s.Session(key(id)); !slices.Equal(got.Archives, want) {
			t.Errorf("session %s: archived by %v, want %v", id, got.Archives, want)
		}
	}
}

// A root whose leaves are nowhere makes room for that of those that are left: nobody in
// the group has archived it, and no claim of it can land.
func TestSealedAgain(t *testing.T) {
	first := seal("s")
	first.Height, first.Lost = 20, 2
	again := first
	again.Root, again.Instead, again.Count, again.Sum, again.Seq, again.Height, again.Lost = root(2), root(1), 3, 30, 4, 24, 4
	f, _ := newTestFSM()
	var cmds []Command
	for _, step := range opened() {
		cmds = append(cmds, step.cmd)
	}
	fed(t, f, 1, append(cmds, first, archivedBy("left", "s"),
		intend("b", 1, EffectClaim, "s"), resolve("b", 1, IntentDead), again, again)...)
	f.View(func(s *State) {
		got, _ := s.Session(key("s"))
		want := Session{
			Ref: first.Ref, Stage: StageSealed, FirstHeight: 20, SealHeight: 24,
			Seq: 4, Root: root(2), Count: 3, Sum: 30, Lost: 4,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	events, _, _ := f.events(0, 100)
	var sealed []string
	for _, e := range events {
		if e.Name == "session_sealed" {
			sealed = append(sealed, e.Detail)
		}
	}
	if want := []string{"5 relays, 50 compute units", "3 relays, 30 compute units"}; !slices.Equal(sealed, want) {
		t.Errorf("events tell of %q, want %q", sealed, want)
	}
}

func wantErrorAt(t *testing.T, i int, got, want error) {
	t.Helper()
	t.Logf("step %d", i)
	wantError(t, got, want)
}

// What a follower keeps, the group knows through the leader; who does not lead
// does not record it.
func TestFollowersReportArchives(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	sealed := seal("s")
	sealed.Epoch = epoch
	if _, err := leader.node.Apply(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range c.members {
		serveAdmin(t, m)
		want = append(want, m.cfg.NodeID)
	}
	for _, m := range c.members {
		waitFor(t, "the report of "+m.cfg.NodeID, func() bool {
			return m.node.ReportArchived(t.Context(), []ArchivedTree{{Key: key("s"), Root: root(1)}}) == nil
		})
	}
	slices.Sort(want)
	var got []string
	leader.node.View(func(s *State) {
		session, _ := s.Session(key("s"))
		got = session.Archives
	})
	if !slices.Equal(got, want) {
		t.Errorf("archived by %v, want %v", got, want)
	}
	foreign := []ArchivedTree{{Key: key("s"), Root: root(2)}}
	for _, m := range c.members {
		if err := m.node.ReportArchived(t.Context(), foreign); err == nil {
			t.Errorf("%s: another root was recorded", m.cfg.NodeID)
		}
	}
}
