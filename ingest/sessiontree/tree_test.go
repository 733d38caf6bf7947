package sessiontree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/pokt-network/smt"
	"pgregory.net/rapid"
)

// memory is a Store that applies deltas, deletes first.
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

func (m *memory) Leaf(_ context.Context, digest Digest) ([]byte, error) {
	for name, data := range m.nodes {
		if leaf, found := FindLeaf(Node{name, data}, digest); found {
			return leaf, nil
		}
	}
	return nil, nil
}

func (m *memory) apply(delta Delta) {
	for _, d := range delta.Deletes {
		delete(m.nodes, d)
	}
	for _, n := range delta.Sets {
		m.nodes[n.Digest] = n.Data
	}
}

// relayHeader is in every relay twice.
const relayHeader = "session header"

func relay(n int) []byte {
	body := bytes.Repeat([]byte{byte(n)}, 200)
	binary.BigEndian.PutUint64(body, uint64(n))
	copy(body[20:], relayHeader)
	copy(body[100:], relayHeader)
	return body
}

// nodeMap keeps nodes by the hash part of their digest.
type nodeMap map[Digest]string

func (m nodeMap) Get(key []byte) ([]byte, error) { return []byte(m[Digest(key)]), nil }
func (m nodeMap) Set(key, value []byte) error    { m[Digest(key)] = plain(value); return nil }
func (m nodeMap) Delete(key []byte) error        { delete(m, Digest(key)); return nil }
func (m nodeMap) Len() (int, error)              { return len(m), nil }
func (m nodeMap) ClearAll() error                { clear(m); return nil }

// reference is the trie that poktroll would build, and what it would store.
func reference(relays [][]byte, weight uint64) (*smt.SMST, nodeMap) {
	nodes := nodeMap{}
	trie := smt.NewSparseMerkleSumTrie(nodes, sha256.New(), smt.WithValueHasher(nil))
	for _, r := range relays {
		key := sha256.Sum256(r)
		if err := trie.Update(key[:], bytes.Clone(r), weight); err != nil {
			panic(err)
		}
	}
	if err := trie.Commit(); err != nil {
		panic(err)
	}
	return trie, nodes
}

// add reads what the way of a relay leads to, and adds it.
func (m *memory) add(tree *Tree, r []byte, weight uint64) (bool, error) {
	for {
		added, err := tree.Add(Path(r), r, weight)
		if !errors.Is(err, ErrUnread) {
			return added, err
		}
		if err := m.supply(tree); err != nil {
			return false, err
		}
	}
}

func (m *memory) supply(tree *Tree) error {
	records, err := m.Nodes(context.Background(), tree.Missing())
	if err != nil {
		return err
	}
	return tree.Supply(records)
}

func mustAdd(t interface {
	Helper()
	Fatalf(string, ...any)
}, m *memory, tree *Tree, r []byte) bool {
	t.Helper()
	added, err := m.add(tree, r, 7)
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	return added
}

// expanded is what smt would have stored in place of m's records.
func expanded(t interface{ Fatal(args ...any) }, m *memory) map[Digest]string {
	nodes := make(map[Digest]string)
	for d, data := range m.nodes {
		made, err := Expand(Node{d, data})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range made {
			nodes[n.Digest] = string(n.Data)
		}
	}
	return nodes
}

// plain blanks what says nothing in the encoding of an extension: the bits of its
// path behind those it stands for.
func plain(node []byte) string {
	if len(node) == extSize && node[0] == kindExtension {
		node = bytes.Clone(node)
		path := Digest(node[3:])
		prefix := prefixOf(&path, int(node[2]))
		copy(node[3:], prefix[:])
	}
	return string(node)
}

func TestAnyHistoryGivesTheReferenceTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		tree := New(nil)
		var root []byte
		stored := map[int]bool{}
		var batch []int
		steps := rapid.IntRange(1, 30).Draw(t, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"add", "add", "add", "flush", "fail", "shed", "resume"}).Draw(t, "step") {
			case "add":
				n := rapid.IntRange(0, 60).Draw(t, "relay")
				if got, want := mustAdd(t, m, tree, relay(n)), !stored[n] && !slices.Contains(batch, n); got != want {
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
				tree, batch = New(root), nil
			case "shed":
				tree.Shed()
			case "resume":
				if len(batch) == 0 {
					tree = New(root)
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
		trie, nodes := reference(relays, 7)
		if want := trie.Root(); !bytes.Equal(root, want) {
			t.Fatalf("root: got %x want %x", root, want)
		}
		if got := expanded(t, m); !maps.Equal(got, nodes) {
			t.Fatalf("stored: got %d nodes, want the reference's %d, byte for byte", len(got), len(nodes))
		}
	})
}

func grown(t *testing.T, n int) (*memory, [][]byte, []byte) {
	t.Helper()
	m := newMemory()
	tree := New(nil).Sharing([]byte(relayHeader))
	var relays [][]byte
	for i := range n {
		relays = append(relays, relay(i))
		mustAdd(t, m, tree, relays[i])
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
		ref, _ := reference(relays, 7)
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
			short.ClosestProof.SiblingData = []byte(plain(short.ClosestProof.SiblingData))
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

func TestPagesAreReadOncePerLevel(t *testing.T) {
	m, _, root := grown(t, 2000)
	tree := New(root)
	var waiting [][]byte
	for i := range 200 {
		waiting = append(waiting, relay(100_000+i))
	}
	m.reads = 0
	for len(waiting) > 0 {
		var next [][]byte
		for _, r := range waiting {
			switch added, err := tree.Add(Path(r), r, 7); {
			case errors.Is(err, ErrUnread):
				next = append(next, r)
			case err != nil || !added:
				t.Fatalf("added %v, %v", added, err)
			}
		}
		if waiting = next; len(waiting) > 0 {
			if err := m.supply(tree); err != nil {
				t.Fatal(err)
			}
		}
	}
	if m.reads < 2 || m.reads > 5 {
		t.Errorf("reads: got %d want one per level", m.reads)
	}
	delta, err := tree.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if delta.Count != 2200 {
		t.Errorf("relays: got %d want 2200", delta.Count)
	}
}

func TestLostNodes(t *testing.T) {
	m, _, root := grown(t, 100)
	delete(m.nodes, Digest(root))
	tests := map[string]func() error{
		"add": func() error {
			_, err := m.add(New(root), relay(1), 7)
			return err
		},
		"prove": func() error { _, err := Prove(context.Background(), m, root, make([]byte, 32)); return err },
	}
	for name, run := range tests {
		if err := run(); !errors.Is(err, ErrNodeMissing) {
			t.Errorf("%s: got %v want %v", name, err, ErrNodeMissing)
		}
	}
	m.nodes[Digest(root)] = []byte{9, 9, 9}
	for name, run := range tests {
		if err := run(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s of a corrupt root: got %v want %v", name, err, ErrCorrupt)
		}
	}
}

func TestAddKeepsNothingOfTheCallersBytes(t *testing.T) {
	m := newMemory()
	tree := New(nil)
	buffer := make([]byte, 200, 400)
	for i := range 20 {
		copy(buffer, relay(i))
		mustAdd(t, m, tree, buffer)
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
	trie, _ := reference(relays, 7)
	if want := trie.Root(); !bytes.Equal(delta.Root, want) {
		t.Fatalf("root: got %x want %x", delta.Root, want)
	}
	if delta.Count != 20 || delta.Sum != 140 {
		t.Errorf("count and sum: got %d, %d want 20, 140", delta.Count, delta.Sum)
	}
}

func TestSettledTreeDoesNotHoldRelays(t *testing.T) {
	m := newMemory()
	tree := New(nil)
	for i := range 100 {
		mustAdd(t, m, tree, append(relay(i), make([]byte, 10_000)...))
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
	m := newMemory()
	tree := New(nil).Sharing([]byte(relayHeader))
	for i := range 40 {
		mustAdd(f, m, tree, relay(i))
	}
	delta, err := tree.Commit()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0}, []byte{1})
	for _, n := range delta.Sets {
		f.Add(n.Data, relay(3))
	}
	f.Fuzz(func(t *testing.T, record, body []byte) {
		// Under the root that this very record would have, if it decodes.
		root := emptyDigest
		root[0], root[47] = 5, 40
		if len(record) > 1 && record[0] == kindPage {
			d := pageDecoder{trie: newTrie(), rest: record[2:]}
			d.trie.inners = append(d.trie.inners, inner{})
			if digest, err := d.inner(1, int(record[1])); err == nil {
				root = digest
			}
		}
		m := newMemory()
		m.nodes[root.hash()] = record
		tree := New(root[:])
		if _, err := m.add(tree, body, 1); err == nil {
			_, _ = tree.Commit()
		}
		_, _ = Prove(context.Background(), m, root[:], make([]byte, 32))
		_, _ = Expand(Node{root.hash(), record})
	})
}
