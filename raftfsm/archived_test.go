package raftfsm

import (
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
