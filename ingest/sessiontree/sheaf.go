package sessiontree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
)

// A sheaf is how leaves are stored that come in one Delta: several in a record,
// because growing a tree reads none of them and each record costs the store more
// than its bytes. What the relays share, their session's header, is in it once; of
// a leaf it has what does not follow from the rest. A leaf that is alone is stored
// as such, under its own digest.
//
//	sheaf   5 | length uvarint | shared | leaves
//	leaf    hash 32 | weight uvarint | cuts | length uvarint | relay without shared
//	cuts    number uvarint | bytes of the relay before each uvarint
//
// Its name is the hash of the leaves' hashes: the same leaves in the same order have
// the same one, and no other leaves have it.
const (
	kindSheaf = 5

	// sheafBytes is the most of a sheaf of several leaves. The allocator of Redis
	// gives the next size, a fifth more, to what is longer with its header.
	sheafBytes = 16<<10 - 64
	// maxCuts is how often a relay has its session's header.
	maxCuts = 2
	// sheafEntry is the most that is stored besides a relay's bytes.
	sheafEntry = len(Digest{}) + (3+maxCuts)*binary.MaxVarintLen64
)

// sheaves are leaves that no Delta has carried yet.
type sheaves struct {
	shared []byte
	full   []Node
	open   []byte   // the sheaf at hand
	names  []Digest // of its leaves
	last   []byte   // of them, as smt encodes it
	bytes  int      // of all
}

func (s *sheaves) empty() bool { return len(s.full)+len(s.names) == 0 }

// add encodes the leaf of a relay and returns its digest.
func (s *sheaves) add(path *Digest, relay []byte, weight uint64) Digest {
	if len(s.names) > 0 && len(s.open)+sheafEntry+len(relay) > sheafBytes {
		s.bind()
	}
	switch len(s.names) {
	case 0:
		s.open = s.opening(sheafEntry + len(relay))
	case 1: // it gets company
		s.open = slices.Grow(s.open, sheafBytes-len(s.open))
	}
	at := len(s.open)
	s.last = appendLeaf(s.last[:0], path, relay, weight)
	hash := sha256.Sum256(s.last)
	s.open = binary.AppendUvarint(append(s.open, hash[:]...), weight)
	s.open = appendCut(s.open, relay, s.shared)
	s.names = append(s.names, hash)
	s.bytes += len(s.open) - at
	return hash
}

// opening begins a sheaf that has room for so many bytes.
func (s *sheaves) opening(room int) []byte {
	sheaf := append(make([]byte, 0, 1+binary.MaxVarintLen64+len(s.shared)+room), kindSheaf)
	sheaf = binary.AppendUvarint(sheaf, uint64(len(s.shared)))
	return append(sheaf, s.shared...)
}

// appendCut appends a relay without what it shares.
func appendCut(to, relay, shared []byte) []byte {
	cuts := make([]int, 0, maxCuts)
	for from := 0; len(shared) > 0 && len(cuts) < maxCuts; {
		before := bytes.Index(relay[from:], shared)
		if before < 0 {
			break
		}
		cuts = append(cuts, from+before)
		from += before + len(shared)
	}
	to = binary.AppendUvarint(to, uint64(len(cuts)))
	for _, at := range cuts {
		to = binary.AppendUvarint(to, uint64(at))
	}
	to = binary.AppendUvarint(to, uint64(len(relay)-len(cuts)*len(shared)))
	from := 0
	for _, at := range cuts {
		to = append(to, relay[from:at]...)
		from = at + len(shared)
	}
	return append(to, relay[from:]...)
}

// bind ends the sheaf at hand.
func (s *sheaves) bind() {
	switch len(s.names) {
	case 0:
		return
	case 1:
		s.full = append(s.full, Node{s.names[0], bytes.Clone(s.last)})
	default:
		s.full = append(s.full, Node{sheafName(s.names), s.open})
	}
	s.open, s.names = nil, s.names[:0]
}

// records are all leaves, bound.
func (s *sheaves) records() []Node {
	s.bind()
	return s.full
}

// settle forgets the leaves.
func (s *sheaves) settle() { s.full, s.bytes = nil, 0 }

func sheafName(leaves []Digest) Digest {
	h := sha256.New()
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	return Digest(h.Sum(nil))
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
			for sheaf := openSheaf(record.Data); sheaf.next(); {
				if !yield(sheaf.leaf()) {
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
	if len(record.Data) > 0 && record.Data[0] == kindSheaf {
		for sheaf := openSheaf(record.Data); sheaf.next(); {
			if sheaf.digest == digest {
				return sheaf.leaf().Data, true
			}
		}
		return nil, false
	}
	for l := range leavesOf(record) {
		if l.Digest == digest {
			return l.Data, true
		}
	}
	return nil, false
}
