package sessiontree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sort"
)

// Warming walks down a tree along the paths of leaves to be added, and names
// the pages that have to be read on the way: one request a level, which may be
// shared by the Warmings of many trees.
type Warming struct {
	tree    *Tree
	level   []branch
	missing []Digest
}

// branch is a place in the trie and the sorted paths that lead there.
type branch struct {
	place place
	paths []Digest
}

// Warming starts the walk for leaves of these keys. The tree must not be
// settled, shed or dropped before it is over.
func (t *Tree) Warming(keys []Digest) *Warming {
	w := &Warming{tree: t}
	if !t.Cold() || len(keys) == 0 {
		return w
	}
	paths := make([]Digest, len(keys))
	for i := range keys {
		paths[i] = sha256.Sum256(keys[i][:])
	}
	slices.SortFunc(paths, func(a, b Digest) int { return bytes.Compare(a[:], b[:]) })
	w.level = []branch{{atRoot, paths}}
	w.descend()
	return w
}

// Missing are the pages to read now; none when the walk is over.
func (w *Warming) Missing() []Digest { return w.missing }

// Supply takes the records that Missing named, in its order, nil for one that is
// not stored, and walks on to the next that are missing.
func (w *Warming) Supply(records [][]byte) error {
	if len(records) != len(w.missing) {
		return fmt.Errorf("%d tree nodes asked for, %d supplied", len(w.missing), len(records))
	}
	for i, b := range w.level {
		if len(records[i]) == 0 {
			return fmt.Errorf("%w: %x", ErrNodeMissing, w.missing[i])
		}
		if err := w.tree.trie.load(b.place, records[i]); err != nil {
			return err
		}
	}
	w.descend()
	return nil
}

// descend goes down every path as far as pages are known.
func (w *Warming) descend() {
	trie, open := w.tree.trie, w.level
	w.level, w.missing = nil, nil
	for len(open) > 0 {
		b := open[len(open)-1]
		open = open[:len(open)-1]
		r := trie.get(b.place)
		if len(b.paths) == 0 || r == 0 || r.isLeaf() {
			continue
		}
		if n := &trie.inners[r.at()]; !n.read {
			w.level, w.missing = append(w.level, b), append(w.missing, n.hash)
			continue
		}
		open = trie.fork(open, r.at(), b.paths)
	}
}

// fork appends the sides of an inner node that paths lead to.
func (t *trie) fork(to []branch, at int, paths []Digest) []branch {
	n := &t.inners[at]
	depth := int(n.depth)
	first := sort.Search(len(paths), func(i int) bool {
		return bytes.Compare(paths[i][:], n.prefix[:]) >= 0
	})
	end := first + sort.Search(len(paths)-first, func(i int) bool { return parting(&paths[first+i], &n.prefix) < depth })
	along := paths[first:end]
	split := sort.Search(len(along), func(i int) bool { return bit(along[i][:], depth) == 1 })
	return append(to, branch{place{at, 0}, along[:split]}, branch{place{at, 1}, along[split:]})
}

// Warm reads the pages that adding leaves of keys will touch.
func (t *Tree) Warm(ctx context.Context, keys []Digest) error {
	w := t.Warming(keys)
	for len(w.Missing()) > 0 {
		records, err := t.src.Nodes(ctx, w.Missing())
		if err != nil {
			return fmt.Errorf("read %d tree nodes: %w", len(w.Missing()), err)
		}
		if err := w.Supply(records); err != nil {
			return err
		}
	}
	return nil
}
