package raftfsm

import (
	"bytes"
	"slices"
	"testing"
)

func assign(epoch Epoch, moves ...Move) Assign { return Assign{Epoch: epoch, Moves: moves} }

// nodes are the holders of all partitions.
func nodes(s *State) (names []string) {
	for _, h := range s.Holdings() {
		names = append(names, h.Node)
	}
	return names
}

func TestAssign(t *testing.T) {
	held := append(opened(), ok(assign(epoch1, Move{1, "m2"}, Move{3, "m3"}))...)
	after := func(steps ...step) []step { return append(slices.Clone(held), steps...) }
	for name, row := range map[string]struct {
		steps []step
		want  []string
	}{
		"nothing before an epoch":        {ok(Init{ClusterID: "c", Partitions: 4}), nil},
		"the leader holds all at first":  {opened(), []string{"m1", "m1", "m1", "m1"}},
		"given away":                     {held, []string{"m1", "m2", "m1", "m3"}},
		"given back":                     {after(ok(assign(epoch1, Move{1, "m1"}))...), []string{"m1", "m1", "m1", "m3"}},
		"no move is none":                {after(ok(assign(epoch1))...), []string{"m1", "m2", "m1", "m3"}},
		"by a leader of the past":        {after(refused(assign(epoch2, Move{1, "m1"}), ErrStaleEpoch)), []string{"m1", "m2", "m1", "m3"}},
		"a partition there is not":       {after(refused(assign(epoch1, Move{4, "m1"}), ErrInvalid)), []string{"m1", "m2", "m1", "m3"}},
		"a negative one":                 {after(refused(assign(epoch1, Move{-1, "m1"}), ErrInvalid)), []string{"m1", "m2", "m1", "m3"}},
		"to two at once":                 {after(refused(assign(epoch1, Move{0, "m2"}, Move{0, "m3"}), ErrInvalid)), []string{"m1", "m2", "m1", "m3"}},
		"to nobody":                      {after(refused(assign(epoch1, Move{0, ""}), ErrInvalid)), []string{"m1", "m2", "m1", "m3"}},
		"a new leader inherits":          {after(ok(OpenEpoch{Epoch: epoch2, Owner: "m3#b"})...), []string{"m3", "m2", "m3", "m3"}},
		"the same epoch again does not":  {after(ok(OpenEpoch{Epoch: epoch1, Owner: "m1#a"})...), []string{"m1", "m2", "m1", "m3"}},
		"all of a leader's if none were": {append(opened(), ok(OpenEpoch{Epoch: epoch2, Owner: "m3#b"})...), []string{"m3", "m3", "m3", "m3"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewState()
			for i, step := range row.steps {
				_, err := s.Apply(step.cmd)
				wantErrorAt(t, i, err, step.want)
			}
			if got := nodes(s); !slices.Equal(got, row.want) {
				t.Errorf("held by %v, want %v", got, row.want)
			}
		})
	}
}

// Whatever happens to a partition, its next holder's fence is above the last one's.
func TestFencesOnlyGrow(t *testing.T) {
	s := NewState()
	last := make([]string, 4)
	owner := make([]string, 4)
	for i, cmd := range []Command{
		Init{ClusterID: "c", Partitions: 4}, OpenEpoch{Epoch: epoch1, Owner: "m1#a"},
		assign(epoch1, Move{0, "m2"}), assign(epoch1, Move{0, "m1"}, Move{1, "m2"}),
		OpenEpoch{Epoch: epoch2, Owner: "m1#b"}, assign(epoch2, Move{1, "m3"}),
		OpenEpoch{Epoch: Epoch{Generation: 1, Term: 10}, Owner: "m3#a"},
		OpenEpoch{Epoch: Epoch{Generation: 2, Term: 1}, Owner: "m1#c"},
		assign(Epoch{Generation: 2, Term: 1}, Move{0, "m2"}),
	} {
		if _, err := s.Apply(cmd); err != nil {
			t.Fatalf("command %d: %v", i, err)
		}
		for p, h := range s.Holdings() {
			if h.Node != owner[p] && h.Fence() <= last[p] {
				t.Errorf("command %d: partition %d passed from %s under %s to %s under %s", i, p, owner[p], last[p], h.Node, h.Fence())
			}
			last[p], owner[p] = h.Fence(), h.Node
		}
	}
}

func TestHoldingsSurviveSnapshots(t *testing.T) {
	s := NewState()
	for _, step := range append(opened(), ok(assign(epoch1, Move{1, "m2"}))...) {
		if _, err := s.Apply(step.cmd); err != nil {
			t.Fatal(err)
		}
	}
	before := s.clone()
	if _, err := s.Apply(assign(epoch1, Move{2, "m3"})); err != nil {
		t.Fatal(err)
	}
	if got, want := nodes(before), []string{"m1", "m2", "m1", "m1"}; !slices.Equal(got, want) {
		t.Errorf("a copy changed to %v, want %v", got, want)
	}
	var snapshot bytes.Buffer
	if err := s.Encode(&snapshot); err != nil {
		t.Fatal(err)
	}
	restored, err := DecodeState(&snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := restored.Holdings(), s.Holdings(); !slices.Equal(got, want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	next := assign(epoch1, Move{0, "m2"})
	for _, state := range []*State{s, restored} {
		if _, err := state.Apply(next); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := restored.Holdings()[0].Fence(), s.Holdings()[0].Fence(); got != want {
		t.Errorf("the next move is fenced by %s, want %s", got, want)
	}
}

func TestUnsoundHoldingsAreRefused(t *testing.T) {
	sound := func(list ...Holding) holdings { return holdings{list: list, moves: 5} }
	one := Holding{Node: "m1", Epoch: epoch1, Move: 5}
	for name, row := range map[string]struct {
		held holdings
		fine bool
	}{
		"none":          {holdings{}, true},
		"one of one":    {sound(one), true},
		"too many":      {sound(one, one), false},
		"nobody's":      {sound(Holding{Epoch: epoch1, Move: 1}), false},
		"of the future": {sound(Holding{Node: "m1", Epoch: epoch2, Move: 1}), false},
		"uncounted":     {sound(Holding{Node: "m1", Epoch: epoch1, Move: 6}), false},
		"of no epoch":   {sound(Holding{Node: "m1", Move: 1}), false},
	} {
		if err := row.held.check(1, epoch1); (err == nil) != row.fine {
			t.Errorf("%s: got %v, want fine %v", name, err, row.fine)
		}
	}
}

// Those who wait for partitions to change hands wake up, on every member.
func TestHoldingsAreAnnounced(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	for _, m := range c.members {
		waitFor(t, "the epoch on "+m.cfg.NodeID, func() bool { held, _ := m.node.Holdings(); return len(held) == 4 })
	}
	waitFor(t, "the enrolment of all", func() bool {
		_, err := leader.node.Apply(t.Context(), assign(epoch))
		return err == nil
	})
	changes := make(map[*member]<-chan struct{})
	for _, m := range c.members {
		_, changes[m] = m.node.Holdings()
	}
	if _, err := leader.node.Apply(t.Context(), assign(epoch, Move{2, "miner-2"})); err != nil {
		t.Fatal(err)
	}
	for m, changed := range changes {
		<-changed
		waitFor(t, "the move on "+m.cfg.NodeID, func() bool { held, _ := m.node.Holdings(); return held[2].Node == "miner-2" })
	}
}
