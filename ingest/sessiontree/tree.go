package sessiontree

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"unsafe"
)

// Tree is not safe for concurrent use.
type Tree struct {
	trie  *trie
	root  []byte // stored root; nil when nothing is stored yet
	fresh sheaves
	way   way  // of the relay at hand, kept for its memory
	open  bool // a Delta was handed out and is not settled
}

// Delta is what the store must change for the trie to move to Root.
type Delta struct {
	Root    []byte // 48 bytes: digest, sum, count
	Count   uint64
	Sum     uint64
	Deletes []Digest
	Sets    []Node
}

// errUnsettled: the tree was used between Commit and Settle.
var errUnsettled = errors.New("tree has an unsettled commit")

// New resumes the tree at root. A nil root starts an empty tree.
func New(root []byte) *Tree {
	t := &Tree{root: bytes.Clone(root)}
	t.load()
	return t
}

// empty also knows the root that smt gives a trie without leaves.
func (t *Tree) empty() bool { return len(t.root) == 0 || bytes.Equal(t.root, emptyDigest[:]) }

// Sharing says which bytes the relays of the tree have in common, so that they are
// not stored with each of them. One that does not have them may come all the same.
func (t *Tree) Sharing(part []byte) *Tree {
	t.fresh.shared = part
	return t
}

func (t *Tree) load() {
	t.trie = newTrie()
	if !t.empty() {
		var root sumDigest
		copy(root[:], t.root) // one of another length names nothing that is stored
		t.trie.root = t.trie.stub(root, 0)
	}
}

// Path is where a relay's leaf is: the hash of its key, which is the relay's hash.
func Path(relay []byte) Digest {
	key := sha256.Sum256(relay)
	return sha256.Sum256(key[:])
}

// Add inserts a relay with its weight in compute units, and reports false when
// the very same relay is in the tree already. It keeps no reference to relay. After
// ErrUnread it is to be tried again when what is Missing was supplied.
func (t *Tree) Add(path Digest, relay []byte, weight uint64) (added bool, err error) {
	if t.open {
		return false, errUnsettled
	}
	l := leaf{path: path, sum: weight}
	if !t.trie.reach(&t.way, &l.path) {
		return false, ErrUnread
	}
	if end := t.trie.get(t.way.end); end.isLeaf() && t.trie.leaves[end.at()].path == l.path {
		return false, nil
	}
	l.hash = t.fresh.add(&l.path, relay, weight)
	t.trie.insert(&t.way, l)
	return true, nil
}

// Dirty reports whether there are leaves that no Delta has carried yet.
func (t *Tree) Dirty() bool { return !t.fresh.empty() }

// Bytes is the memory the tree holds.
func (t *Tree) Bytes() int {
	return cap(t.trie.inners)*int(unsafe.Sizeof(inner{})) + cap(t.trie.leaves)*int(unsafe.Sizeof(leaf{})) + t.fresh.bytes
}

// Commit computes the changes since the last Settle. Until Settle the tree
// takes no more relays; if the changes may not have been stored, drop the tree.
func (t *Tree) Commit() (Delta, error) {
	if t.open {
		return Delta{}, errUnsettled
	}
	c := commit{trie: t.trie, sets: t.fresh.records()}
	root := c.node(t.trie.root, 0, -1)
	t.open = true
	return Delta{Root: root[:], Count: root.count(), Sum: root.sum(), Deletes: c.deletes, Sets: c.sets}, nil
}

// Settle says that delta is stored, and lets go of the relays' bytes.
func (t *Tree) Settle(delta Delta) {
	t.fresh.settle()
	t.root, t.open = delta.Root, false
}

// Shed lets go of everything that can be read again. A tree with leaves that
// are not stored keeps what it has.
func (t *Tree) Shed() {
	if t.open || t.Dirty() || t.empty() {
		return
	}
	t.load()
}
