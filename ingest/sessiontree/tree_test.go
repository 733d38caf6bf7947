package sessiontree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"pgregory.net/rapid"
)

// memory is a Source that applies deltas, deletes first.
type memory struct {
	nodes map[Digest][]byte
	reads int
}

func newMemory() *memory { return &memory{nodes: make(map[Digest][]byte)} }

func (m *memory) Nodes(_ context.Context, digests []Digest) ([][]byte, error) {
	m.reads++
	out := make([][]byte, len(digests))
	for i, d := range digests {
		out[i] = m.nodes[d]
	}
	return out, nil
}

func (m *memory) apply(delta Delta) {
	for _, d := range delta.Deletes {
		delete(m.nodes, d)
	}
	for _, n := range delta.Sets {
		m.nodes[n.Digest] = n.Data
	}
}

func relay(n int) []byte {
	body := bytes.Repeat([]byte{byte(n)}, 200)
	binary.BigEndian.PutUint64(body, uint64(n))
	return body
}

// reference is the trie that poktroll would build.
func reference(relays [][]byte, weight uint64) *smt.SMST {
	trie := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for _, r := range relays {
		key := sha256.Sum256(r)
		if err := trie.Update(key[:], bytes.Clone(r), weight); err != nil {
			panic(err)
		}
	}
	if err := trie.Commit(); err != nil {
		panic(err)
	}
	return trie
}

func mustAdd(t interface {
	Helper()
	Fatalf(string, ...any)
}, tree *Tree, r []byte) bool {
	t.Helper()
	added, err := tree.Add(context.Background(), Key(r), r, 7)
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	return added
}

// reachable walks the stored nodes from root.
func reachable(m *memory, root []byte) map[Digest]bool {
	seen := make(map[Digest]bool)
	var walk func(digest []byte)
	walk = func(digest []byte) {
		if bytes.Equal(digest, emptyDigest[:]) {
			return
		}
		d := digestOf(digest)
		node := m.nodes[d]
		if !validNode(node) {
			panic("unreadable node")
		}
		seen[d] = true
		switch node[0] {
		case kindInner:
			walk(node[1:49])
			walk(node[49:97])
		case kindExtension:
			walk(node[35:83])
		}
	}
	walk(root)
	return seen
}

func TestAnyHistoryGivesTheReferenceTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		tree := New(m, nil)
		var root []byte
		stored := map[int]bool{}
		var batch []int
		steps := rapid.IntRange(1, 30).Draw(t, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"add", "add", "add", "flush", "fail", "shed", "warm"}).Draw(t, "step") {
			case "add":
				n := rapid.IntRange(0, 60).Draw(t, "relay")
				if got, want := mustAdd(t, tree, relay(n)), !stored[n] && !slices.Contains(batch, n); got != want {
					t.Fatalf("added %d: got %v want %v", n, got, want)
				}
				batch = append(batch, n)
			case "flush":
				delta, err := tree.Commit()
				if err != nil {
					t.Fatalf("commit: %v", err)
				}
				m.apply(delta)
				tree.Settle(delta)
				root = delta.Root
				for _, n := range batch {
					stored[n] = true
				}
				batch = nil
			case "fail":
				if _, err := tree.Commit(); err != nil {
					t.Fatalf("commit: %v", err)
				}
				tree, batch = New(m, root), nil
			case "shed":
				tree.Shed()
			case "warm":
				warm := New(m, root)
				keys := []Digest{Key(relay(1)), Key(relay(2)), Key(relay(3))}
				if err := warm.Warm(context.Background(), keys); err != nil {
					t.Fatalf("warm: %v", err)
				}
				if len(batch) == 0 {
					tree = warm
				}
			}
		}
		var relays [][]byte
		for n := range stored {
			relays = append(relays, relay(n))
		}
		if len(relays) == 0 {
			return
		}
		if want := reference(relays, 7).Root(); !bytes.Equal(root, want) {
			t.Fatalf("root: got %x want %x", root, want)
		}
		if got, want := len(m.nodes), len(reachable(m, root)); got != want {
			t.Fatalf("stored nodes: got %d, reachable %d", got, want)
		}
	})
}

func grown(t *testing.T, n int) (*memory, [][]byte, []byte) {
	t.Helper()
	m := newMemory()
	tree := New(m, nil)
	var relays [][]byte
	for i := range n {
		relays = append(relays, relay(i))
		mustAdd(t, tree, relays[i])
	}
	delta, err := tree.Commit()
	if err != nil {
		t.Fatal(err)
	}
	m.apply(delta)
	tree.Settle(delta)
	return m, relays, delta.Root
}

func TestProofEqualsTheOneOfATrieInMemory(t *testing.T) {
	for _, size := range []int{1, 2, 3, 10, 300} {
		m, relays, root := grown(t, size)
		ref := reference(relays, 7)
		for i := range 50 {
			path := sha256.Sum256([]byte{byte(i), byte(size)})
			got, err := Prove(context.Background(), m, root, path[:])
			if err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			closest, err := ref.ProveClosest(path[:])
			if err != nil {
				t.Fatal(err)
			}
			short, err := smt.CompactClosestProof(closest, ref.Spec())
			if err != nil {
				t.Fatal(err)
			}
			want, err := short.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("size %d path %x: proof differs", size, path)
			}
		}
	}
}

func TestWarmReadsOncePerLevel(t *testing.T) {
	m, _, root := grown(t, 2000)
	tree := New(m, root)
	var keys []Digest
	var fresh [][]byte
	for i := range 200 {
		fresh = append(fresh, relay(100_000+i))
		keys = append(keys, Key(fresh[i]))
	}
	m.reads = 0
	if err := tree.Warm(context.Background(), keys); err != nil {
		t.Fatal(err)
	}
	if m.reads > 40 {
		t.Errorf("warm-up requests: got %d want at most one per level", m.reads)
	}
	m.reads = 0
	for _, r := range fresh {
		mustAdd(t, tree, r)
	}
	if m.reads != 0 {
		t.Errorf("reads after warm-up: got %d want 0", m.reads)
	}
}

func TestLostNodes(t *testing.T) {
	m, _, root := grown(t, 100)
	delete(m.nodes, digestOf(root))
	tests := map[string]func() error{
		"add": func() error {
			_, err := New(m, root).Add(context.Background(), Key(relay(1)), relay(1), 7)
			return err
		},
		"warm":  func() error { return New(m, root).Warm(context.Background(), []Digest{{1}}) },
		"prove": func() error { _, err := Prove(context.Background(), m, root, make([]byte, 32)); return err },
	}
	for name, run := range tests {
		if err := run(); !errors.Is(err, ErrNodeMissing) {
			t.Errorf("%s: got %v want %v", name, err, ErrNodeMissing)
		}
	}
	m.nodes[digestOf(root)] = []byte{9, 9, 9}
	for name, run := range tests {
		if err := run(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s of a corrupt root: got %v want %v", name, err, ErrCorrupt)
		}
	}
}

func TestAddKeepsNothingOfTheCallersBytes(t *testing.T) {
	m := newMemory()
	tree := New(m, nil)
	buffer := make([]byte, 200, 400)
	for i := range 20 {
		copy(buffer, relay(i))
		mustAdd(t, tree, buffer)
	}
	for i := range buffer {
		buffer[i] = 0xee
	}
	delta, err := tree.Commit()
	if err != nil {
		t.Fatal(err)
	}
	var relays [][]byte
	for i := range 20 {
		relays = append(relays, relay(i))
	}
	if want := reference(relays, 7).Root(); !bytes.Equal(delta.Root, want) {
		t.Fatalf("root: got %x want %x", delta.Root, want)
	}
	if delta.Count != 20 || delta.Sum != 140 {
		t.Errorf("count and sum: got %d, %d want 20, 140", delta.Count, delta.Sum)
	}
}

func TestSettledTreeDoesNotHoldRelays(t *testing.T) {
	m := newMemory()
	tree := New(m, nil)
	for i := range 100 {
		mustAdd(t, tree, append(relay(i), make([]byte, 10_000)...))
	}
	delta, err := tree.Commit()
	if err != nil {
		t.Fatal(err)
	}
	tree.Settle(delta)
	if got := tree.Bytes() / 100; got > 600 {
		t.Errorf("bytes held per settled leaf: got %d want at most 600", got)
	}
}

func FuzzStoredNode(f *testing.F) {
	f.Add([]byte{0}, []byte{1})
	f.Add(bytes.Repeat([]byte{1}, innerSize), bytes.Repeat([]byte{2}, 8))
	f.Add(bytes.Repeat([]byte{2}, extSize), bytes.Repeat([]byte{3}, 8))
	f.Fuzz(func(t *testing.T, node, body []byte) {
		root := bytes.Repeat([]byte{5}, digestSize)
		m := newMemory()
		m.nodes[digestOf(root)] = node
		_ = New(m, root).Warm(context.Background(), []Digest{Key(body)})
		tree := New(m, root)
		if _, err := tree.Add(context.Background(), Key(body), body, 1); err == nil {
			_, _ = tree.Commit()
		}
		_, _ = Prove(context.Background(), m, root, make([]byte, 32))
	})
}
