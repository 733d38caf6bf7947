package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

const weight = 100

func testRelays(n int) (relays [][]byte) {
	for i := range n {
		relays = append(relays, fmt.Appendf(nil, "relay %d", i))
	}
	return relays
}

// testTree is the sealed tree of relays, and its nodes.
func testTree(t testing.TB, relays [][]byte) (Tree, sessiontree.Memory) {
	t.Helper()
	grown := sessiontree.New(nil)
	for _, r := range relays {
		if _, err := grown.Add(sessiontree.Path(r), r, weight); err != nil {
			t.Fatal(err)
		}
	}
	delta, err := grown.Commit()
	if err != nil {
		t.Fatal(err)
	}
	ref := chain.SessionRef{Supplier: "pokt1/../x", SessionID: "ab_cd", Service: "svc", Application: "app", StartHeight: 1, EndHeight: 10}
	return Tree{Ref: ref, Root: delta.Root, Count: delta.Count, Weight: weight}, sessiontree.NewMemory(delta)
}

func leavesOf(relays ...[]byte) Leaves {
	return func(yield func([]byte, error) bool) {
		for _, r := range relays {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func testArchive(t *testing.T) *Archive {
	t.Helper()
	a, err := Open(filepath.Join(t.TempDir(), "archive"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestProofsFromTheArchiveAreTheSame(t *testing.T) {
	a, ctx := testArchive(t), context.Background()
	relays := testRelays(300)
	tree, nodes := testTree(t, relays)
	if err := a.Write(tree, leavesOf(append(relays, relays[:50]...)...)); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		path := sessiontree.Path([]byte{byte(n)})
		want, err := sessiontree.Prove(ctx, nodes, tree.Root, path[:])
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Prove(ctx, tree.Ref.Key(), tree.Root, path[:])
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("path %x: got a proof of %d bytes (%v), want the one of %d", path, len(got), err, len(want))
		}
	}
	entries, err := a.List()
	if err != nil || len(entries) != 1 || entries[0].Key != tree.Ref.Key() {
		t.Errorf("list: got %v, %v", entries, err)
	}
	if err := errors.Join(a.Remove(tree.Ref.Key()), a.Remove(tree.Ref.Key())); err != nil {
		t.Error(err)
	}
	if _, err := a.Prove(ctx, tree.Ref.Key(), tree.Root, make([]byte, 32)); !errors.Is(err, ErrNotArchived) {
		t.Errorf("removed tree: got %v, want %v", err, ErrNotArchived)
	}
}

// What does not make the sealed root is not kept, and leaves no file behind.
func TestOnlyWholeTreesAreKept(t *testing.T) {
	relays := testRelays(20)
	tree, _ := testTree(t, relays)
	broken := errors.New("redis went away")
	other := append(testRelays(19), []byte("another"))
	for name, c := range map[string]struct {
		leaves Leaves
		want   error
	}{
		"one missing":  {leavesOf(relays[1:]...), ErrIncomplete},
		"one too many": {leavesOf(append(relays, []byte("more"))...), ErrIncomplete},
		"another one":  {leavesOf(other...), ErrIncomplete},
		"read fails":   {func(yield func([]byte, error) bool) { yield(nil, broken) }, broken},
	} {
		a := testArchive(t)
		if err := a.Write(tree, c.leaves); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if files, err := os.ReadDir(a.dir); err != nil || len(files) > 0 || a.Has(tree.Ref.Key(), tree.Root) {
			t.Errorf("%s: %d files are left (%v)", name, len(files), err)
		}
	}
}

// A flipped bit anywhere is noticed, never proven.
func TestDamageIsNoticed(t *testing.T) {
	a, ctx := testArchive(t), context.Background()
	relays := testRelays(5)
	tree, _ := testTree(t, relays)
	if err := a.Write(tree, leavesOf(relays...)); err != nil {
		t.Fatal(err)
	}
	path := a.path(tree.Ref.Key())
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range sound {
		bad := bytes.Clone(sound)
		bad[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Prove(ctx, tree.Ref.Key(), tree.Root, make([]byte, 32)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d flipped: got %v, want %v", at, err, ErrCorrupt)
		}
	}
	if err := os.WriteFile(path, sound[:len(sound)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Prove(ctx, tree.Ref.Key(), tree.Root, make([]byte, 32)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cut off: got %v, want %v", err, ErrCorrupt)
	}
}

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	a := testArchive(t)
	if err := os.WriteFile(filepath.Join(a.dir, "x"+suffix+temporary), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(a.dir); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(a.dir); err != nil || len(files) > 0 {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}

func FuzzRead(f *testing.F) {
	relays := testRelays(3)
	tree, _ := testTree(f, relays)
	path := filepath.Join(f.TempDir(), "file")
	if err := write(path, tree, leavesOf(relays...)); err != nil {
		f.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Fuzz(func(t *testing.T, bz []byte) {
		nodes, err := newReader(bytes.NewReader(bz), int64(len(bz))).nodes(tree.Root)
		if err == nil && len(nodes) == 0 {
			t.Error("a tree without nodes")
		}
	})
}
