package sessiontree

// Node is a record as stored: a leaf or a page, by its digest.
type Node struct {
	Digest Digest
	Data   []byte
}

// commit computes the digests of what changed, and the pages to store and to
// delete for it.
type commit struct {
	trie    *trie
	pages   []byte // where the next page is written
	sets    []Node
	deletes []Digest
}

// node brings the node at r up to date, which begins at depth from, and returns
// its digest. The band is that of its parent, -1 for the root.
func (c *commit) node(r ref, from, parentBand int) sumDigest {
	if r == 0 {
		return emptyDigest
	}
	if r.isLeaf() {
		l := &c.trie.leaves[r.at()]
		return newDigest(l.hash, l.sum, 1)
	}
	n := &c.trie.inners[r.at()]
	if n.dirty {
		c.refresh(r.at(), from, parentBand)
	}
	return newDigest(n.hash, n.sum, n.count)
}

func (c *commit) refresh(at, from, parentBand int) {
	n := &c.trie.inners[at]
	var below [2]sumDigest
	for side, r := range n.child {
		below[side] = c.node(r, int(n.depth)+1, band(n.depth))
	}
	if n.paged {
		c.deletes = append(c.deletes, n.hash)
	}
	digest := raise(innerDigest(&below[0], &below[1]), &n.prefix, from, int(n.depth))
	n.hash, n.sum, n.count = digest.hash(), digest.sum(), digest.count()
	n.dirty = false
	if n.paged = band(n.depth) != parentBand; n.paged {
		c.sets = append(c.sets, Node{n.hash, c.page(at, from)})
	}
}

// pagesAtOnce is memory for some pages, and largePage more than an ordinary one.
const (
	pagesAtOnce = 32 << 10
	largePage   = 2 << 10
)

func (c *commit) page(at, from int) []byte {
	if cap(c.pages)-len(c.pages) < largePage {
		c.pages = make([]byte, 0, pagesAtOnce)
	}
	start := len(c.pages)
	c.pages = c.trie.appendPage(c.pages, at, from)
	return c.pages[start:len(c.pages):len(c.pages)]
}
