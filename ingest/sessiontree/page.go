package sessiontree

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A page is how inner nodes are stored: those of one band of depths that hang
// together, under the digest of the uppermost. A page is written and read as
// one, so that a tree of 10,000 relays is three pages deep, and a flush of a
// fifteenth of it writes less than a page a relay instead of six nodes. Hashes
// within a page follow from it.
//
//	page   3 | from 1 | inner
//	inner  1 | depth 1 | prefix, depth bits | child | child
//	leaf   0 | path 32 | hash 32 | sum uvarint
//	page   2 | hash 32 | sum uvarint | count uvarint
//
// where a child is an inner node of the band, a leaf or the page below.
const (
	kindPage = 3
	itemLeaf = kindLeaf
	itemNode = kindInner
	itemPage = 2

	bandBits = 5
)

func band(depth uint8) int { return int(depth) / bandBits }

// appendPage encodes the page of an inner node that begins at depth from.
func (t *trie) appendPage(to []byte, at, from int) []byte {
	return t.appendInner(append(to, kindPage, byte(from)), at)
}

func (t *trie) appendInner(to []byte, at int) []byte {
	n := &t.inners[at]
	to = append(to, itemNode, n.depth)
	to = append(to, n.prefix[:(int(n.depth)+7)/8]...)
	for _, r := range n.child {
		switch {
		case r.isLeaf():
			l := &t.leaves[r.at()]
			to = append(append(append(to, itemLeaf), l.path[:]...), l.hash[:]...)
			to = binary.AppendUvarint(to, l.sum)
		case band(t.inners[r.at()].depth) == band(n.depth) && t.inners[r.at()].read:
			to = t.appendInner(to, r.at())
		default:
			below := &t.inners[r.at()]
			to = append(append(to, itemPage), below.hash[:]...)
			to = binary.AppendUvarint(binary.AppendUvarint(to, below.sum), below.count)
		}
	}
	return to
}

// load reads the record that an unread node at a place stands for, and checks
// that its digest is the one the parent has. A trie with one relay has that
// leaf for a root.
func (t *trie) load(p place, record []byte) error {
	at := t.get(p).at()
	want := newDigest(t.inners[at].hash, t.inners[at].sum, t.inners[at].count)
	d := pageDecoder{trie: t, rest: record}
	switch {
	case len(record) > leafHead+leafTail && record[0] == kindLeaf && p == atRoot:
		l := leaf{path: Digest(record[1:leafHead]), hash: sha256.Sum256(record), sum: binary.BigEndian.Uint64(record[len(record)-leafTail:])}
		if newDigest(l.hash, l.sum, 1) != want {
			return fmt.Errorf("%w: leaf %x", ErrCorrupt, want.hash())
		}
		t.leaves = append(t.leaves, l)
		t.root = leafRef(len(t.leaves) - 1)
	case len(record) > 2 && record[0] == kindPage && int(record[1]) == t.from(p):
		d.rest = record[2:]
		got, err := d.inner(at, t.from(p))
		if err != nil || got != want || len(d.rest) > 0 {
			return fmt.Errorf("%w: page %x", ErrCorrupt, want.hash())
		}
		t.inners[at].paged = true
	default:
		return fmt.Errorf("%w: %x", ErrCorrupt, want.hash())
	}
	return nil
}

// pageDecoder adds a page's nodes to a trie.
type pageDecoder struct {
	trie *trie
	rest []byte
}

func (d *pageDecoder) take(n int) ([]byte, error) {
	if len(d.rest) < n {
		return nil, ErrCorrupt
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken, nil
}

func (d *pageDecoder) number() (uint64, error) {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		return 0, ErrCorrupt
	}
	d.rest = d.rest[n:]
	return v, nil
}

// inner reads the node at, which begins at depth from, and returns its digest.
func (d *pageDecoder) inner(at, from int) (sumDigest, error) {
	head, err := d.take(2)
	if err != nil || head[0] != itemNode || int(head[1]) < from {
		return sumDigest{}, ErrCorrupt
	}
	n := inner{depth: head[1], read: true}
	prefix, err := d.take((int(n.depth) + 7) / 8)
	if err != nil {
		return sumDigest{}, err
	}
	copy(n.prefix[:], prefix)
	if n.prefix != prefixOf(&n.prefix, int(n.depth)) {
		return sumDigest{}, ErrCorrupt
	}
	var below [2]sumDigest
	for side := range n.child {
		if n.child[side], below[side], err = d.child(&n, side); err != nil {
			return sumDigest{}, err
		}
	}
	digest := raise(innerDigest(&below[0], &below[1]), &n.prefix, from, int(n.depth))
	n.hash, n.sum, n.count = digest.hash(), digest.sum(), digest.count()
	d.trie.inners[at] = n
	return digest, nil
}

// child reads what hangs on a side of n.
func (d *pageDecoder) child(n *inner, side int) (r ref, digest sumDigest, err error) {
	if len(d.rest) == 0 || n.depth == 255 && d.rest[0] != itemLeaf {
		return 0, sumDigest{}, ErrCorrupt
	}
	begin := n.prefix // of every path below
	begin[n.depth/8] |= byte(side) << (7 - n.depth%8)
	path := begin
	switch d.rest[0] {
	case itemLeaf:
		if r, digest, err = d.leaf(); err == nil {
			path = d.trie.leaves[r.at()].path
		}
	case itemNode:
		d.trie.inners = append(d.trie.inners, inner{})
		r = innerRef(len(d.trie.inners) - 1)
		digest, err = d.inner(r.at(), int(n.depth)+1)
		path = d.trie.inners[r.at()].prefix
		if band(d.trie.inners[r.at()].depth) != band(n.depth) {
			err = ErrCorrupt
		}
	default:
		r, digest, err = d.page(n.depth + 1)
	}
	if parting(&path, &begin) <= int(n.depth) {
		err = ErrCorrupt
	}
	return r, digest, err
}

func (d *pageDecoder) leaf() (ref, sumDigest, error) {
	item, err := d.take(1 + 2*pathSize)
	if err != nil {
		return 0, sumDigest{}, err
	}
	sum, err := d.number()
	if err != nil {
		return 0, sumDigest{}, err
	}
	l := leaf{path: Digest(item[1 : 1+pathSize]), hash: Digest(item[1+pathSize:]), sum: sum}
	d.trie.leaves = append(d.trie.leaves, l)
	return leafRef(len(d.trie.leaves) - 1), newDigest(l.hash, sum, 1), nil
}

func (d *pageDecoder) page(from uint8) (ref, sumDigest, error) {
	item, err := d.take(1 + len(Digest{}))
	if err != nil || item[0] != itemPage {
		return 0, sumDigest{}, ErrCorrupt
	}
	sum, err := d.number()
	if err != nil {
		return 0, sumDigest{}, err
	}
	count, err := d.number()
	if err != nil {
		return 0, sumDigest{}, err
	}
	digest := newDigest(Digest(item[1:]), sum, count)
	return d.trie.stub(digest, from), digest, nil
}

// stub stands for a record that is not read yet.
func (t *trie) stub(d sumDigest, from uint8) ref {
	t.inners = append(t.inners, inner{hash: d.hash(), sum: d.sum(), count: d.count(), depth: from})
	return innerRef(len(t.inners) - 1)
}
