package claims

import (
	"context"
	"testing"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// shelf is a stream with the heads that are stored of it.
type shelf struct {
	heads []ingest.Head
	trims int
}

func (s *shelf) Mark() ingest.Mark                           { return make(ingest.Mark, 1) }
func (s *shelf) Heads() []ingest.Head                        { return s.heads }
func (s *shelf) Trim(_ context.Context, _ ingest.Mark) error { s.trims++; return nil }

// A stream is trimmed once the log knows what was stored when the mark was taken.
func TestTrimWaitsForTheCheckpoint(t *testing.T) {
	for name, row := range map[string]struct {
		sealed bool // in Redis
		happen func(r *rig, head ingest.Head, shelf *shelf) error
		want   bool
	}{
		"nothing happens":        {happen: func(*rig, ingest.Head, *shelf) error { return nil }},
		"an older checkpoint":    {happen: func(r *rig, h ingest.Head, _ *shelf) error { h.Seq--; return r.progress(h) }},
		"the checkpoint":         {happen: func(r *rig, h ingest.Head, _ *shelf) error { return r.progress(h) }, want: true},
		"a later one":            {happen: func(r *rig, h ingest.Head, _ *shelf) error { h.Seq++; return r.progress(h) }, want: true},
		"redis went back":        {happen: func(r *rig, h ingest.Head, _ *shelf) error { h.Seq, h.Count = h.Seq-1, h.Count+1; return r.progress(h) }, want: true},
		"the tree is gone":       {happen: func(_ *rig, _ ingest.Head, s *shelf) error { s.heads = nil; return nil }, want: true},
		"sealed but not decided": {sealed: true, happen: func(*rig, ingest.Head, *shelf) error { return nil }},
		"the seal": {sealed: true, want: true, happen: func(r *rig, h ingest.Head, _ *shelf) error {
			_, err := r.log.Apply(context.Background(), raftfsm.Seal{Epoch: r.epoch, Ref: h.Ref, Root: h.Root, Count: h.Count, Sum: h.Sum, Seq: h.Seq})
			return err
		}},
	} {
		r := newRig(t, "s")
		head := r.trees.Heads(t.Context())[0]
		head.Seq, head.Sealed = 5, row.sealed
		s := &shelf{heads: []ingest.Head{head}}
		trimmer := NewTrimmer(r.log, s, zap.NewNop())
		for range 3 {
			if err := trimmer.round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s.trims != 0 {
			t.Errorf("%s: trimmed before the log knows anything", name)
		}
		if err := row.happen(r, head, s); err != nil {
			t.Fatal(err)
		}
		if err := trimmer.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.trims > 0; got != row.want {
			t.Errorf("%s: trimmed %v, want %v", name, got, row.want)
		}
	}
}

// progress records a head as a checkpoint would.
func (r *rig) progress(h ingest.Head) error {
	return r.checkpoint(context.Background(), 1, []raftfsm.Progress{headProgress(h)})
}
