package sessiontree

import (
	"encoding/binary"
	"math/bits"
)

// trie is smt's sum trie in the form that growing it needs: two arrays without
// pointers, which the garbage collector does not look through. Every inner node
// has two children and stands at the bit where their paths part; what smt calls
// an extension is the gap between a parent's depth and its child's.
type trie struct {
	inners []inner // the first one stays unused, so that no ref is 0
	leaves []leaf
	root   ref
	wanted []place // of inner nodes that have to be read next
}

// ref points to a leaf or an inner node; 0 is neither.
type ref uint32

func innerRef(at int) ref  { return ref(at) << 1 }
func leafRef(at int) ref   { return ref(at)<<1 | 1 }
func (r ref) isLeaf() bool { return r&1 == 1 }
func (r ref) at() int      { return int(r >> 1) }

// leaf is a relay's place: the relay itself is in the store.
type leaf struct {
	path Digest
	hash Digest
	sum  uint64
}

// inner is where paths part. One that is unread has hash, sum and count only,
// and in depth the depth at which its page begins.
type inner struct {
	hash   Digest // as the parent has it: with the gap above
	prefix Digest // the bits before depth; the rest is 0
	sum    uint64
	count  uint64
	child  [2]ref
	depth  uint8 // the bit that tells the children apart
	read   bool
	wanted bool // to be read next
	dirty  bool // changed since the last Commit
	paged  bool // a page of the name hash is stored
}

func newTrie() *trie { return &trie{inners: make([]inner, 1, 4)} }

// place is where a node hangs: the root, or a side of an inner node.
type place struct{ parent, side int }

var atRoot = place{parent: 0}

// from is the depth at which a node there begins.
func (t *trie) from(p place) int {
	if p == atRoot {
		return 0
	}
	return int(t.inners[p.parent].depth) + 1
}

func (t *trie) get(p place) ref {
	if p == atRoot {
		return t.root
	}
	return t.inners[p.parent].child[p.side]
}

func (t *trie) put(p place, r ref) {
	if p == atRoot {
		t.root = r
		return
	}
	t.inners[p.parent].child[p.side] = r
}

// way is how far a path leads: the inner nodes along it, and the place where it
// ends, which is that of a leaf, of nothing, of an inner node whose prefix is
// another or of one that is unread.
type way struct {
	along []int
	end   place
}

// reach follows path to its end, and reports false if that is not read yet, but
// wanted now.
func (t *trie) reach(w *way, path *Digest) bool {
	t.walk(w, path)
	r := t.get(w.end)
	if r == 0 || r.isLeaf() {
		return true
	}
	n := &t.inners[r.at()]
	if !n.read && !n.wanted {
		n.wanted = true
		t.wanted = append(t.wanted, w.end)
	}
	return n.read
}

// walk follows path from the root.
func (t *trie) walk(w *way, path *Digest) {
	w.along, w.end = w.along[:0], atRoot
	for {
		r := t.get(w.end)
		if r == 0 || r.isLeaf() {
			return
		}
		n := &t.inners[r.at()]
		if !n.read || parting(path, &n.prefix) < int(n.depth) {
			return
		}
		w.along = append(w.along, r.at())
		w.end = place{r.at(), bit(path[:], int(n.depth))}
	}
}

// insert puts a leaf where the walk ended, and reports false if it is there
// already.
func (t *trie) insert(w *way, l leaf) bool {
	old := t.get(w.end)
	if old.isLeaf() && t.leaves[old.at()].path == l.path {
		return false
	}
	t.leaves = append(t.leaves, l)
	added := leafRef(len(t.leaves) - 1)
	if old != 0 {
		added = t.split(old, added, &l.path)
	}
	t.put(w.end, added)
	for _, at := range w.along {
		t.inners[at].dirty = true
	}
	return true
}

// split makes the inner node at which a new leaf parts from an old node.
func (t *trie) split(old, added ref, path *Digest) ref {
	var depth int
	if old.isLeaf() {
		depth = parting(path, &t.leaves[old.at()].path)
	} else {
		below := &t.inners[old.at()]
		depth = parting(path, &below.prefix)
		below.dirty = true // begins deeper now
	}
	n := inner{prefix: prefixOf(path, depth), depth: uint8(depth), read: true, dirty: true}
	side := bit(path[:], depth)
	n.child[side], n.child[1-side] = added, old
	t.inners = append(t.inners, n)
	return innerRef(len(t.inners) - 1)
}

// parting is the first bit in which two paths differ, 256 if none.
func parting(a, b *Digest) int {
	for i := 0; i < len(a); i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return 8*i + bits.LeadingZeros64(x)
		}
	}
	return 8 * len(a)
}

// prefixOf keeps the first bits of path.
func prefixOf(path *Digest, n int) (prefix Digest) {
	copy(prefix[:], path[:(n+7)/8])
	if n%8 != 0 {
		prefix[n/8] &= 0xff << (8 - n%8)
	}
	return prefix
}

func bit(path []byte, depth int) int {
	return int(path[depth/8]>>(7-depth%8)) & 1
}
