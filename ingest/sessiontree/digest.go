package sessiontree

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digests and encodings of smt v0.14.1 (node_encoders.go, hasher.go), sum tries
// over SHA-256:
//
//	leaf       0 | path 32 | value | sum 8 | count 8
//	inner      1 | left 48 | right 48 | sum 8 | count 8
//	extension  2 | from 1 | to 1 | path 32 | child 48 | sum 8 | count 8
//
// A node's digest is the hash of its encoding, its sum and its count. That of an
// extension is the digest of the inner nodes it stands for, each with an empty
// sibling, so it follows from the set of leaves alone.
const (
	kindLeaf, kindInner, kindExtension = 0, 1, 2

	pathSize   = 32
	digestSize = 48
	innerSize  = 1 + 2*digestSize + 16
	extSize    = 1 + 2 + pathSize + digestSize + 16
	leafHead   = 1 + pathSize
	leafTail   = 16
)

// sumDigest is a node's digest in smt: what its parent hashes.
type sumDigest [digestSize]byte

var emptyDigest sumDigest

func newDigest(hash Digest, sum, count uint64) (d sumDigest) {
	copy(d[:], hash[:])
	binary.BigEndian.PutUint64(d[32:], sum)
	binary.BigEndian.PutUint64(d[40:], count)
	return d
}

func (d *sumDigest) sum() uint64   { return binary.BigEndian.Uint64(d[32:]) }
func (d *sumDigest) count() uint64 { return binary.BigEndian.Uint64(d[40:]) }
func (d *sumDigest) hash() Digest  { return Digest(d[:32]) }

// appendLeaf appends the leaf that is stored for a relay.
func appendLeaf(to []byte, path *Digest, relay []byte, weight uint64) []byte {
	to = append(append(append(to, kindLeaf), path[:]...), relay...)
	to = binary.BigEndian.AppendUint64(to, weight)
	return binary.BigEndian.AppendUint64(to, 1)
}

func innerData(left, right *sumDigest) (data [innerSize]byte) {
	data[0] = kindInner
	copy(data[1:], left[:])
	copy(data[1+digestSize:], right[:])
	binary.BigEndian.PutUint64(data[1+2*digestSize:], left.sum()+right.sum())
	binary.BigEndian.PutUint64(data[1+2*digestSize+8:], left.count()+right.count())
	return data
}

func innerDigest(left, right *sumDigest) sumDigest {
	data := innerData(left, right)
	return newDigest(sha256.Sum256(data[:]), left.sum()+right.sum(), left.count()+right.count())
}

// raise is the digest that a node at depth to has for a parent that ends at from.
func raise(d sumDigest, prefix *Digest, from, to int) sumDigest {
	for depth := to - 1; depth >= from; depth-- {
		if bit(prefix[:], depth) == 0 {
			d = innerDigest(&d, &emptyDigest)
		} else {
			d = innerDigest(&emptyDigest, &d)
		}
	}
	return d
}

func extensionData(prefix *Digest, from, to int, child *sumDigest) []byte {
	data := make([]byte, 0, extSize)
	data = append(data, kindExtension, byte(from), byte(to))
	data = append(data, prefix[:]...)
	data = append(data, child[:]...)
	return append(data, child[32:]...)
}

// leafRelay returns the relay of a leaf of that weight. It reports false for one
// whose bytes are not what its digest and its path say.
func leafRelay(leaf Node, weight uint64) ([]byte, bool) {
	data := leaf.Data
	if len(data) <= leafHead+leafTail || data[0] != kindLeaf {
		return nil, false
	}
	relay := data[leafHead : len(data)-leafTail]
	meta := data[len(data)-leafTail:]
	return relay, Path(relay) == Digest(data[1:leafHead]) && sha256.Sum256(data) == leaf.Digest &&
		binary.BigEndian.Uint64(meta) == weight && binary.BigEndian.Uint64(meta[8:]) == 1
}
