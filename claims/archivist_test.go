package claims

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/archive"
	"github.com/raftminer/raftminer/ingest/sessiontree"
	"github.com/raftminer/raftminer/raftfsm"
)

// reports is a group that counts the trees a node reports.
type reports struct {
	*stateLog
	epoch raftfsm.Epoch
	trees int
}

func (r *reports) ReportArchived(ctx context.Context, trees []raftfsm.ArchivedTree) error {
	r.trees += len(trees)
	_, err := r.Apply(ctx, raftfsm.Archived{Epoch: r.epoch, Node: "a", Trees: trees})
	return err
}

// A tree is archived where it is not on the disk, whatever the group believes of that
// node: a member may come back under its name with an empty disk. It is read once, and
// reported if the group does not know.
func TestArchivistTrustsItsDisk(t *testing.T) {
	for name, row := range map[string]struct {
		onDisk, known  bool
		reads, reports int
	}{
		"new":                       {reads: 1, reports: 1},
		"written, not reported yet": {onDisk: true, reports: 1},
		"archived":                  {onDisk: true, known: true},
		"back with an empty disk":   {known: true, reads: 1},
	} {
		r, head, relay := sealedRelay(t)
		ctx, group := t.Context(), &reports{stateLog: r.log, epoch: r.epoch}
		files, err := archive.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		reads := 0
		leaves := func(context.Context, chain.SessionKey, uint64) archive.Leaves {
			reads++
			return func(yield func([]byte, error) bool) { yield(relay, nil) }
		}
		if row.onDisk {
			tree := archive.Tree{Ref: head.Ref, Root: head.Root, Count: head.Count, Weight: head.Sum}
			if err := files.Write(tree, leaves(ctx, head.Ref.Key(), head.Sum)); err != nil {
				t.Fatal(err)
			}
			reads = 0
		}
		if row.known {
			if err := group.ReportArchived(ctx, []raftfsm.ArchivedTree{{Key: head.Ref.Key(), Root: head.Root}}); err != nil {
				t.Fatal(err)
			}
			group.trees = 0
		}
		a := NewArchivist("a", group, files, leaves, prometheus.NewRegistry(), zap.NewNop())
		for range 3 {
			a.round(ctx, time.Now())
		}
		if !files.Has(head.Ref.Key(), head.Root) || reads != row.reads || group.trees != row.reports {
			t.Errorf("%s: on disk %v, read %d times, reported %d times, want it there, %d and %d",
				name, files.Has(head.Ref.Key(), head.Root), reads, group.trees, row.reads, row.reports)
		}
	}
}

// Leaves that are missing are noted, until they are there. That Redis does not answer
// changes nothing.
func TestArchivistNotesWhatIsIncomplete(t *testing.T) {
	r, head, relay := sealedRelay(t)
	key := head.Ref.Key()
	files, err := archive.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var leaves archive.Leaves
	a := NewArchivist("a", &reports{stateLog: r.log, epoch: r.epoch}, files,
		func(context.Context, chain.SessionKey, uint64) archive.Leaves { return leaves }, prometheus.NewRegistry(), zap.NewNop())
	now := time.Now()
	for _, step := range []struct {
		what   string
		leaves archive.Leaves
		want   bool
	}{
		{"no answer", func(yield func([]byte, error) bool) { yield(nil, io.ErrUnexpectedEOF) }, false},
		{"none", func(func([]byte, error) bool) {}, true},
		{"no answer again", func(yield func([]byte, error) bool) { yield(nil, io.ErrUnexpectedEOF) }, true},
		{"another", func(yield func([]byte, error) bool) { yield([]byte("other"), nil) }, true},
		{"all", func(yield func([]byte, error) bool) { yield(relay, nil) }, false},
	} {
		leaves, now = step.leaves, now.Add(archiveRetry)
		a.round(t.Context(), now)
		if got := a.Incomplete(key, head.Root); got != step.want {
			t.Errorf("%s: incomplete %v, want %v", step.what, got, step.want)
		}
		if a.Incomplete(key, []byte("another root")) {
			t.Errorf("%s: another root is incomplete", step.what)
		}
	}
}

// sealedRelay is a group with a sealed session of one relay.
func sealedRelay(t *testing.T) (*rig, ingest.Head, []byte) {
	t.Helper()
	r, relay := newRig(t, "s"), []byte("relay")
	head := r.trees.Heads(t.Context())[0]
	head.Root = rootOfRelay(t, relay, head.Sum)
	if err := r.progress(head); err != nil {
		t.Fatal(err)
	}
	sealed := raftfsm.Seal{Epoch: r.epoch, Ref: head.Ref, Root: head.Root, Count: head.Count, Sum: head.Sum, Seq: head.Seq}
	if _, err := r.log.Apply(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	return r, head, relay
}

// rootOfRelay is the root of a tree with one relay.
func rootOfRelay(t *testing.T, relay []byte, weight uint64) []byte {
	t.Helper()
	tree := sessiontree.New(nil)
	if _, err := tree.Add(sessiontree.Path(relay), relay, weight); err != nil {
		t.Fatal(err)
	}
	delta, err := tree.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return delta.Root
}
