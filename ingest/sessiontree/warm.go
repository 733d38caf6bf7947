package sessiontree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sort"
)

// branch is a stored node and the sorted paths that lead through it.
type branch struct {
	digest []byte
	depth  int
	paths  [][]byte
}

// Warm reads the nodes that inserting keys will touch, one request per level
// of the trie instead of one per node. A tree that was grown here from its
// first leaf knows all its nodes and asks for nothing.
func (t *Tree) Warm(ctx context.Context, keys []Digest) error {
	if t.whole || len(keys) == 0 {
		return nil
	}
	paths := make([][]byte, len(keys))
	for i := range keys {
		path := sha256.Sum256(keys[i][:])
		paths[i] = path[:]
	}
	slices.SortFunc(paths, bytes.Compare)
	level := []branch{{digest: t.root, paths: paths}}
	for len(level) > 0 {
		if err := t.read(ctx, level); err != nil {
			return err
		}
		var next []branch
		for _, b := range level {
			next = b.descend(next, t.store.known[digestOf(b.digest)])
		}
		level = next
	}
	return nil
}

// read makes every node of level known.
func (t *Tree) read(ctx context.Context, level []branch) error {
	var missing []Digest
	for _, b := range level {
		d := digestOf(b.digest)
		if _, ok := t.store.known[d]; !ok {
			missing = append(missing, d)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	nodes, err := fetch(ctx, t.store.src, missing)
	if err != nil {
		return fmt.Errorf("read %d tree nodes: %w", len(missing), err)
	}
	for i, d := range missing {
		if _, err := t.store.learn(d, nodes[i]); err != nil {
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
