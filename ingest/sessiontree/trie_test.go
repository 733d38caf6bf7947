package sessiontree

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/pokt-network/smt"
)

// asPath takes keys for paths, so that tests can choose where paths part.
type asPath struct{}

func (asPath) Path(key []byte) []byte { return key }
func (asPath) PathSize() int          { return pathSize }

// TestPathsThatPartLate: relays whose paths agree in many bits, as nobody can
// grind them but anybody may fear, part at every depth there is.
func TestPathsThatPartLate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		m := newMemory()
		grown := New(nil)
		ref := smt.NewSparseMerkleSumTrie(nodeMap{}, sha256.New(), smt.WithValueHasher(nil), smt.WithPathHasher(asPath{}))
		var base Digest
		for i := range base {
			base[i] = byte(random.Uint32())
		}
		for n := range 60 {
			path := base
			for depth := random.IntN(256); depth < 256; depth += 1 + random.IntN(64) {
				path[depth/8] ^= 0x80 >> (depth % 8)
			}
			value := relay(n)
			for !grown.trie.reach(&grown.way, &path) {
				if err := m.supply(grown); err != nil {
					t.Fatal(err)
				}
			}
			l := leaf{path: path, hash: sha256.Sum256(appendLeaf(nil, &path, value, 7)), sum: 7}
			if !grown.trie.insert(&grown.way, l) {
				continue
			}
			grown.fresh.add(&path, value, 7)
			if err := ref.Update(path[:], value, 7); err != nil {
				t.Fatal(err)
			}
			if n%7 != round%7 {
				continue
			}
			delta, err := grown.Commit()
			if err != nil {
				t.Fatal(err)
			}
			m.apply(delta)
			grown.Settle(delta)
			if want := ref.Root(); string(delta.Root) != string(want) {
				t.Fatalf("round %d, %d relays: root %x, want %x", round, n+1, delta.Root, want)
			}
			grown = New(delta.Root)
		}
	}
}

// TestChangedPageIsRefused: no byte of a page can change without being noticed
// by whoever knows the root.
func TestChangedPageIsRefused(t *testing.T) {
	m, relays, root := grown(t, 300)
	path := sha256.Sum256(relays[0])
	whole := m.nodes[Digest(root)]
	for at := range whole {
		for bit := range 8 {
			page := bytes.Clone(whole)
			page[at] ^= 1 << bit
			m.nodes[Digest(root)] = page
			tree := New(root)
			tree.trie.reach(&tree.way, (*Digest)(&path))
			if err := m.supply(tree); !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d of byte %d of %d changed: got %v", bit, at, len(whole), err)
			}
		}
	}
}

func TestPagesHoldTheTree(t *testing.T) {
	m, relays, _ := grown(t, 10_000)
	pages, size := 0, 0
	for _, record := range m.nodes {
		if record[0] == kindPage {
			pages++
			size += len(record)
		}
	}
	if perRelay := size / len(relays); pages > len(relays)/2 || perRelay > 200 {
		t.Errorf("%d pages with %d bytes a relay for %d relays, want at most half as many and 200", pages, perRelay, len(relays))
	}
}
