package sessiontree

import (
	"crypto/sha256"
	"fmt"
)

// Expand makes of a stored record the nodes that smt itself would have stored:
// of a leaf the leaf, of a sheaf its leaves, of a page its inner nodes and
// extensions. Of the path of an extension only the bits that it stands for count;
// those after it are 0.
func Expand(record Node) ([]Node, error) {
	if len(record.Data) > leafHead+leafTail && record.Data[0] == kindLeaf && sha256.Sum256(record.Data) == record.Digest {
		return []Node{record}, nil
	}
	if len(record.Data) > 0 && record.Data[0] == kindSheaf {
		return expandSheaf(record)
	}
	if len(record.Data) < 2 || record.Data[0] != kindPage {
		return nil, fmt.Errorf("%w: %x", ErrCorrupt, record.Digest)
	}
	t := newTrie()
	t.inners = append(t.inners, inner{})
	d := pageDecoder{trie: t, rest: record.Data[2:]}
	if got, err := d.inner(1, int(record.Data[1])); err != nil || got.hash() != record.Digest || len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: page %x", ErrCorrupt, record.Digest)
	}
	return t.expand(nil, 1, int(record.Data[1])), nil
}

func expandSheaf(record Node) (leaves []Node, _ error) {
	var names []Digest
	sheaf := openSheaf(record.Data)
	for sheaf.next() {
		leaf := sheaf.leaf()
		if sha256.Sum256(leaf.Data) != leaf.Digest {
			return nil, fmt.Errorf("%w: leaf %x", ErrCorrupt, leaf.Digest)
		}
		leaves, names = append(leaves, leaf), append(names, leaf.Digest)
	}
	if sheaf.damaged || sheafName(names) != record.Digest {
		return nil, fmt.Errorf("%w: sheaf %x", ErrCorrupt, record.Digest)
	}
	return leaves, nil
}

// expand appends the nodes of the inner node at, which begins at depth from.
func (t *trie) expand(to []Node, at, from int) []Node {
	n := &t.inners[at]
	depth := int(n.depth)
	var below [2]sumDigest
	for side, r := range n.child {
		if r.isLeaf() {
			l := &t.leaves[r.at()]
			below[side] = newDigest(l.hash, l.sum, 1)
			continue
		}
		child := &t.inners[r.at()]
		below[side] = newDigest(child.hash, child.sum, child.count)
		if child.read {
			to = t.expand(to, r.at(), depth+1)
		}
	}
	data := innerData(&below[0], &below[1])
	own := newDigest(sha256.Sum256(data[:]), n.sum, n.count)
	to = append(to, Node{own.hash(), data[:]})
	if from < depth {
		to = append(to, Node{n.hash, extensionData(&n.prefix, from, depth, &own)})
	}
	return to
}
