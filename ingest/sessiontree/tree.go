package sessiontree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/pokt-network/smt"
)

// Tree is not safe for concurrent use.
type Tree struct {
	store  *store
	trie   *smt.SMST
	root   []byte // stored root; nil when nothing is stored yet
	whole  bool   // every stored node is known: nothing to fetch while growing
	leaves int    // added since the last Settle
	held   int    // bytes of those leaves
	open   bool   // a Delta was handed out and is not settled
}

// Delta is what the store must change for the trie to move to Root. Deletes
// must be applied before Sets.
type Delta struct {
	Root    []byte // 48 bytes: digest, sum, count
	Count   uint64
	Sum     uint64
	Deletes []Digest
	Sets    []Node
}

// errUnsettled: the tree was used between Commit and Settle.
var errUnsettled = errors.New("tree has an unsettled commit")

// New resumes the tree at root, reading nodes from src as they are needed. A
// nil root starts an empty tree.
func New(src Source, root []byte) *Tree {
	t := &Tree{store: newStore(src), root: bytes.Clone(root)}
	t.whole = t.empty()
	t.load()
	return t
}

// empty also knows the root that smt gives a trie without leaves.
func (t *Tree) empty() bool { return len(t.root) == 0 || bytes.Equal(t.root, emptyDigest[:]) }

func (t *Tree) load() {
	if t.empty() {
		t.trie = smt.NewSparseMerkleSumTrie(t.store, sha256.New(), smt.WithValueHasher(nil))
		return
	}
	t.trie = smt.ImportSparseMerkleSumTrie(t.store, sha256.New(), t.root, smt.WithValueHasher(nil))
}

// Key is the key of a relay's leaf.
func Key(relay []byte) Digest { return sha256.Sum256(relay) }

// Add inserts a relay with its weight in compute units, and reports false when
// the very same relay is in the tree already. It keeps no reference to relay.
// After an error the tree must be dropped.
func (t *Tree) Add(ctx context.Context, key Digest, relay []byte, weight uint64) (added bool, err error) {
	if t.open {
		return false, errUnsettled
	}
	defer guard(&err)
	t.store.ctx = ctx
	// The inner trie is asked: the sum trie's Get would parse the value, of
	// which compact leaves keep one byte.
	present, err := t.trie.SMT.Get(key[:])
	if err != nil {
		return false, fmt.Errorf("look up relay %x: %w", key, err)
	}
	if len(present) > 0 {
		return false, nil
	}
	// Update keeps the slice and appends sum and count to it: a private copy
	// with room for just that.
	value := append(make([]byte, 0, len(relay)+16), relay...)
	if err := t.trie.Update(key[:], value, weight); err != nil {
		return false, fmt.Errorf("insert relay %x: %w", key, err)
	}
	t.leaves++
	t.held += 2 * len(relay)
	return true, nil
}

// Dirty reports whether there are leaves that no Delta has carried yet.
func (t *Tree) Dirty() bool { return t.leaves > 0 }

// Cold reports that nodes may have to be read before leaves can be added.
func (t *Tree) Cold() bool { return !t.whole }

// Bytes estimates the memory the tree holds.
func (t *Tree) Bytes() int { return t.store.known.size() + t.held }

// Commit computes the changes since the last Settle. Until Settle the tree
// takes no more relays; if the changes may not have been stored, drop the tree.
func (t *Tree) Commit() (delta Delta, err error) {
	if t.open {
		return Delta{}, errUnsettled
	}
	defer guard(&err)
	if err := t.trie.Commit(); err != nil {
		return Delta{}, fmt.Errorf("commit trie: %w", err)
	}
	root := t.trie.Root()
	t.open = true
	return Delta{
		Root: bytes.Clone(root), Count: root.MustCount(), Sum: root.MustSum(),
		Deletes: t.store.orphans(), Sets: t.store.sets,
	}, nil
}

// Settle says that delta is stored. The trie is resumed from its root, which
// lets go of the relays' bytes and of everything in the table.
func (t *Tree) Settle(delta Delta) {
	for _, d := range delta.Deletes {
		t.store.known.remove(d)
	}
	for _, node := range delta.Sets {
		_, _ = t.store.learn(node.Digest, node.Data)
	}
	t.store.sets, t.store.deletes = nil, nil
	t.root, t.open, t.leaves, t.held = delta.Root, false, 0, 0
	t.load()
}

// Shed lets go of everything that can be read again. A tree with leaves that
// are not stored keeps what it has.
func (t *Tree) Shed() {
	if t.open || t.Dirty() || t.empty() {
		return
	}
	t.store = newStore(t.store.src)
	t.whole = false
	t.load()
}
