package sessiontree

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
)

// A sheaf is how leaves are stored that come in one Delta: several in a record,
// because growing a tree reads none of them and each record costs the store more
// than its bytes. A leaf that is alone is stored as such, under its own digest.
//
//	sheaf   4 | leaves
//	leaf    hash 32 | length uvarint | leaf as smt encodes it
//
// Its name is the hash of those hashes: the same leaves in the same order have the
// same one, and no other leaves have it.
const (
	kindSheaf = 4

	// sheafBytes is the most of a sheaf of several leaves. The allocator of Redis
	// gives the next size, a fifth more, to what is longer with its header.
	sheafBytes = 16<<10 - 64
	sheafEntry = len(Digest{}) + binary.MaxVarintLen32
)

// sheaves are leaves that no Delta has carried yet.
type sheaves struct {
	full  []Node
	open  []byte   // the sheaf at hand
	names []Digest // of its leaves
	bytes int      // of all
}

func (s *sheaves) empty() bool { return len(s.full)+len(s.names) == 0 }

// add encodes the leaf of a relay and returns its digest.
func (s *sheaves) add(path *Digest, relay []byte, weight uint64) Digest {
	size := leafHead + len(relay) + leafTail
	if len(s.names) > 0 && len(s.open)+sheafEntry+size > sheafBytes {
		s.bind()
	}
	switch len(s.names) {
	case 0:
		s.open = append(make([]byte, 0, 1+sheafEntry+size), kindSheaf)
	case 1: // it gets company
		s.open = slices.Grow(s.open, sheafBytes-len(s.open))
	}
	at := len(s.open)
	s.open = append(s.open, make([]byte, len(Digest{}))...)
	s.open = binary.AppendUvarint(s.open, uint64(size))
	from := len(s.open)
	s.open = appendLeaf(s.open, path, relay, weight)
	hash := sha256.Sum256(s.open[from:])
	copy(s.open[at:], hash[:])
	s.names = append(s.names, hash)
	s.bytes += len(s.open) - at
	return hash
}

// bind ends the sheaf at hand.
func (s *sheaves) bind() {
	if len(s.names) == 0 {
		return
	}
	record := Node{sheafName(s.names), s.open}
	if len(s.names) == 1 {
		record, _ = firstLeaf(s.open[1:])
	}
	s.full = append(s.full, record)
	s.open, s.names = nil, s.names[:0]
}

// records are all leaves, bound.
func (s *sheaves) records() []Node {
	s.bind()
	return s.full
}

func sheafName(leaves []Digest) Digest {
	h := sha256.New()
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	return Digest(h.Sum(nil))
}

// firstLeaf splits off the first leaf of a sheaf's leaves; a nil rest says that
// there is none. It does not look whether the leaf has its hash.
func firstLeaf(leaves []byte) (leaf Node, rest []byte) {
	if len(leaves) < len(Digest{}) {
		return Node{}, nil
	}
	size, n := binary.Uvarint(leaves[len(Digest{}):])
	from := len(Digest{}) + n
	if n <= 0 || size > uint64(len(leaves)-from) {
		return Node{}, nil
	}
	to := from + int(size)
	return Node{Digest(leaves), leaves[from:to:to]}, leaves[to:]
}

// leavesOf are the leaves in a record: of a sheaf, or the one that it is. Pages have
// none.
func leavesOf(record Node) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		switch {
		case len(record.Data) == 0:
		case record.Data[0] == kindLeaf:
			yield(record)
		case record.Data[0] == kindSheaf:
			for leaf, rest := firstLeaf(record.Data[1:]); rest != nil; leaf, rest = firstLeaf(rest) {
				if !yield(leaf) {
					return
				}
			}
		}
	}
}

// Relays are those of the leaves in a stored record that have that weight and whose
// bytes are what their digest and path say.
func Relays(record Node, weight uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for leaf := range leavesOf(record) {
			if relay, ok := leafRelay(leaf, weight); ok && !yield(relay) {
				return
			}
		}
	}
}

// FindLeaf looks for a leaf in a stored record.
func FindLeaf(record Node, digest Digest) (leaf []byte, found bool) {
	for l := range leavesOf(record) {
		if l.Digest == digest {
			return l.Data, true
		}
	}
	return nil, false
}
