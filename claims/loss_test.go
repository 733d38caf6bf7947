package claims

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// Redis went back: one session has a relay left of ten, one has none, and of one more
// came since than were lost, so that only relayers know. The loss is counted, what is
// left is claimed, and no checkpoint hides it before.
func TestLossIsReportedAndTheRestClaimed(t *testing.T) {
	r := newRig(t, "part", "none", "more")
	ctx := context.Background()
	for _, h := range r.trees.Heads(t.Context()) {
		p := headProgress(h)
		p.Count = 10
		if err := r.checkpoint(ctx, 1, []raftfsm.Progress{p}); err != nil {
			t.Fatal(err)
		}
		if h.Ref.SessionID == "none" {
			delete(r.trees.heads, h.Ref.Key())
			continue
		}
		h.Seq += 5 // it has grown again since
		if h.Ref.SessionID == "more" {
			h.Count, h.Sum, h.Root = 20, 2000, rootOf("more", 20, 2000)
			r.trees.told = map[chain.SessionKey]uint64{h.Ref.Key(): 23}
		}
		r.trees.heads[h.Ref.Key()] = h
	}
	// Of two more only relayers know. One is long over.
	brief, over := r.ref("brief", rigEnd), r.ref("over", rigEnd-10)
	r.trees.doubts = append(r.trees.doubts, r.ref("part", rigEnd), brief, over)
	r.trees.told[brief.Key()], r.trees.told[over.Key()] = 7, 50
	windows, err := r.chain.Windows(ctx, over.EndHeight)
	if err != nil {
		t.Fatal(err)
	}
	r.feed.latest.Height = windows.ClaimClose
	if err := errors.Join(r.recordProgress(ctx, make(map[chain.SessionKey]uint64)), r.recordDoubts(ctx)); err != nil {
		t.Fatal(err)
	}
	if got := r.session("part").Count; got != 10 {
		t.Errorf("a checkpoint lowered the known relays to %d, want 10", got)
	}
	r.until(rigSettled, nil)
	if s := r.session("part"); s.Stage != raftfsm.StageSettled || s.Count != 1 {
		t.Errorf("got %s with %d relays (%s), want the one that is left settled", s.Stage, s.Count, s.Reason)
	}
	if s := r.session("more"); s.Stage != raftfsm.StageSettled || s.Count != 20 || s.Lost != 3 {
		t.Errorf("got %s with %d relays and %d lost, want 20 settled and 3 lost", s.Stage, s.Count, s.Lost)
	}
	if s := r.session("none"); s.Stage != raftfsm.StageLost || s.Reason != string(ReasonRelaysLost) {
		t.Errorf("got %s (%s), want it lost for its relays", s.Stage, s.Reason)
	}
	if s := r.session("none"); s.Lost != 10 {
		t.Errorf("%d relays of it lost, want 10", s.Lost)
	}
	if s := r.session("brief"); s.Stage != raftfsm.StageLost || s.Reason != string(ReasonRelaysLost) || s.Lost != 7 || s.Ref != brief {
		t.Errorf("got %+v, want it lost with 7 relays", s)
	}
	r.log.View(func(state *raftfsm.State) {
		if _, known := state.Session(over.Key()); known {
			t.Error("a session that is over counts as lost")
		}
	})
	if got := testutil.ToFloat64(r.metrics.lost); got != 9+10+3+7 {
		t.Errorf("%v relays declared lost, want 29", got)
	}
}

// Redis loses sealed trees before anybody has archived them. Until half of the claim
// window relayers may bring their relays again; then what is left is claimed in their
// place, what is not is reported, and nothing is claimed that cannot be proven.
func TestALossAfterTheSealIsReportedAndTheRestClaimed(t *testing.T) {
	r := newRig(t, "whole", "part", "none", "hollow")
	r.log.voters = 3
	for key, h := range r.trees.heads {
		h.Seq, h.Count, h.Sum, h.Root = 9, 10, 1000, rootOf(key.SessionID, 10, 1000)
		r.trees.heads[key] = h
	}
	part, none := r.ref("part", rigEnd), r.ref("none", rigEnd)
	r.trees.told = map[chain.SessionKey]uint64{part.Key(): 12, none.Key(): 13} // some were lost before
	windows, err := r.chain.Windows(t.Context(), rigEnd)
	if err != nil {
		t.Fatal(err)
	}
	r.until(windows.ClaimOpen, nil)
	first := make(map[string][]byte)
	for _, id := range []string{"whole", "part", "none", "hollow"} {
		if s := r.session(id); s.Stage != raftfsm.StageSealed {
			t.Fatalf("session %s is %s, want it sealed", id, s.Stage)
		}
		first[id] = r.session(id).Root
	}
	r.trees.told = nil
	r.trees.heads[part.Key()] = ingest.Head{Ref: part, Seq: 1, Count: 4, Sum: 400, Root: rootOf("rest", 4, 400)}
	delete(r.trees.heads, none.Key())
	r.trees.incomplete = map[string][]byte{"part": first["part"], "none": first["none"], "hollow": first["hollow"]}
	metrics := r.metrics
	r.until(halfway(windows), nil)
	if s := r.session("part"); !bytes.Equal(s.Root, rootOf("rest", 4, 400)) || s.Count != 4 || s.Lost != 8 || s.SealHeight != halfway(windows) {
		t.Errorf("got %+v, want the four that are left sealed in the middle of the window", s)
	}
	r.until(rigSettled, nil)
	for id, want := range map[string]raftfsm.Session{
		"whole":  {Stage: raftfsm.StageSettled, Count: 10},
		"part":   {Stage: raftfsm.StageSettled, Count: 4, Lost: 8},
		"none":   {Stage: raftfsm.StageLost, Reason: string(ReasonRelaysLost), Count: 10, Lost: 13},
		"hollow": {Stage: raftfsm.StageLost, Reason: string(ReasonRelaysLost), Count: 10, Lost: 10},
	} {
		s := r.session(id)
		if s.Stage != want.Stage || s.Reason != want.Reason || s.Count != want.Count || s.Lost != want.Lost {
			t.Errorf("session %s is %s (%s) with %d relays and %d lost, want %s (%s) with %d and %d",
				id, s.Stage, s.Reason, s.Count, s.Lost, want.Stage, want.Reason, want.Count, want.Lost)
		}
		if want.Stage == raftfsm.StageLost && s.ClaimHeight != 0 {
			t.Errorf("session %s was claimed at %d and cannot be proven", id, s.ClaimHeight)
		}
	}
	if got := testutil.ToFloat64(metrics.lost); got != 8+13+10 {
		t.Errorf("%v relays declared lost, want 31", got)
	}
	if testutil.ToFloat64(metrics.actionErrors.WithLabelValues(ActionSeal.String())) == 0 {
		t.Error("nobody was told of the tree that is there and cannot be read")
	}
}

// Redis fails again and again. A session waits for what relayers may bring, but only
// for half of its claim window: it is claimed all the same.
func TestASealWaitsForHalfOfTheWindow(t *testing.T) {
	r := newRig(t, "a")
	r.trees.unsettled = true
	windows, err := r.chain.Windows(t.Context(), rigEnd)
	if err != nil {
		t.Fatal(err)
	}
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled || s.SealHeight != halfway(windows) {
		t.Errorf("it is %s (%s), sealed at %d, want it settled, and sealed at %d", s.Stage, s.Reason, s.SealHeight, halfway(windows))
	}
}
