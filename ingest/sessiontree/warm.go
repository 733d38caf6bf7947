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
// the nodes that have to be read on the way: one request a level, which may be
// shared by the Warmings of many trees.
type Warming struct {
	tree    *Tree
	level   []branch
	missing []Digest
}

// branch is a stored node and the sorted paths that lead through it.
type branch struct {
	digest []byte
	depth  int
	paths  [][]byte
}

// Warming starts the walk for leaves of these keys. The tree must not be
// settled, shed or dropped before it is over.
func (t *Tree) Warming(keys []Digest) *Warming {
	w := &Warming{tree: t}
	if t.whole || len(keys) == 0 {
		return w
	}
	paths := make([][]byte, len(keys))
	for i := range keys {
		path := sha256.Sum256(keys[i][:])
		paths[i] = path[:]
	}
	slices.SortFunc(paths, bytes.Compare)
	w.level = []branch{{digest: t.root, paths: paths}}
	w.descend()
	return w
}

// Missing are the nodes to read now; none when the walk is over.
func (w *Warming) Missing() []Digest { return w.missing }

// Supply takes the nodes that Missing named, in its order, nil for one that is
// not stored, and walks on to the next that are missing.
func (w *Warming) Supply(nodes [][]byte) error {
	if len(nodes) != len(w.missing) {
		return fmt.Errorf("%d tree nodes asked for, %d supplied", len(w.missing), len(nodes))
	}
	for i, d := range w.missing {
		if len(nodes[i]) == 0 {
			return fmt.Errorf("%w: %x", ErrNodeMissing, d)
		}
		if _, err := w.tree.store.learn(d, nodes[i]); err != nil {
			return err
		}
	}
	w.descend()
	return nil
}

// descend goes down every path as far as nodes are known.
func (w *Warming) descend() {
	open := w.level
	w.level, w.missing = nil, nil
	for len(open) > 0 {
		b := open[len(open)-1]
		open = open[:len(open)-1]
		d := digestOf(b.digest)
		if node, known := w.tree.store.known.get(d); known {
			open = b.descend(open, node)
			continue
		}
		w.level, w.missing = append(w.level, b), append(w.missing, d)
	}
}

// Warm reads the nodes that adding leaves of keys will touch.
func (t *Tree) Warm(ctx context.Context, keys []Digest) error {
	w := t.Warming(keys)
	for len(w.Missing()) > 0 {
		nodes, err := t.store.src.Nodes(ctx, w.Missing())
		if err != nil {
			return fmt.Errorf("read %d tree nodes: %w", len(w.Missing()), err)
		}
		if err := w.Supply(nodes); err != nil {
			return err
		}
	}
	return nil
}

// descend appends to next the children of node that b's paths go through.
func (b branch) descend(next []branch, node []byte) []branch {
	switch node[0] {
	case kindInner:
		split := sort.Search(len(b.paths), func(i int) bool { return bit(b.paths[i], b.depth) == 1 })
		next = b.child(next, node[1:1+digestSize], b.depth+1, b.paths[:split])
		next = b.child(next, node[1+digestSize:1+2*digestSize], b.depth+1, b.paths[split:])
	case kindExtension:
		along := slices.DeleteFunc(slices.Clone(b.paths), func(p []byte) bool { return !extensionCovers(node, p) })
		next = b.child(next, node[3+pathSize:3+pathSize+digestSize], int(node[2]), along)
	}
	return next
}

func (b branch) child(next []branch, digest []byte, depth int, paths [][]byte) []branch {
	if len(paths) == 0 || bytes.Equal(digest, emptyDigest[:]) {
		return next
	}
	return append(next, branch{digest: digest, depth: depth, paths: paths})
}
