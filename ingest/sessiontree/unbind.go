package sessiontree

import (
	"encoding/binary"
	"math"
)

// sheafReader reads the leaves of a sheaf, one after the other.
type sheafReader struct {
	rest    []byte
	shared  []byte
	damaged bool // what is left does not decode

	// The leaf at hand.
	digest Digest
	weight uint64
	cuts   []int // bytes of the relay before each shared part
	cut    []byte
}

func openSheaf(record []byte) *sheafReader {
	r := &sheafReader{rest: record[1:]}
	r.shared = r.take(r.number())
	return r
}

// next goes on to the next leaf. It does not look whether it has its digest.
func (r *sheafReader) next() bool {
	if r.damaged || len(r.rest) == 0 {
		return false
	}
	copy(r.digest[:], r.take(uint64(len(r.digest))))
	r.weight = r.number()
	r.cuts = r.cuts[:0]
	count := r.number()
	if r.damaged = r.damaged || count > maxCuts; r.damaged {
		return false
	}
	for range count {
		r.cuts = append(r.cuts, int(min(r.number(), math.MaxInt32)))
	}
	r.cut = r.take(r.number())
	end := 0
	for _, at := range r.cuts {
		r.damaged = r.damaged || at < end
		end = at + len(r.shared)
	}
	r.damaged = r.damaged || end > len(r.cut)+len(r.cuts)*len(r.shared)
	return !r.damaged
}

// leaf is the leaf at hand as smt encodes it.
func (r *sheafReader) leaf() Node {
	relay := make([]byte, 0, len(r.cut)+len(r.cuts)*len(r.shared))
	rest := r.cut
	for _, at := range r.cuts {
		own := at - len(relay)
		relay = append(append(relay, rest[:own]...), r.shared...)
		rest = rest[own:]
	}
	relay = append(relay, rest...)
	path := Path(relay)
	return Node{r.digest, appendLeaf(make([]byte, 0, leafHead+len(relay)+leafTail), &path, relay, r.weight)}
}

func (r *sheafReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.damaged = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *sheafReader) take(n uint64) []byte {
	if r.damaged || n > uint64(len(r.rest)) {
		r.damaged = true
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}
