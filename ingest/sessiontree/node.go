package sessiontree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Encodings of smt v0.14.1 (node_encoders.go), sum tries over SHA-256:
//
//	leaf       0 | path 32 | value | sum 8 | count 8
//	inner      1 | left 48 | right 48 | sum 8 | count 8
//	extension  2 | from 1 | to 1 | path 32 | child 48 | sum 8 | count 8
const (
	kindLeaf, kindInner, kindExtension = 0, 1, 2

	pathSize   = 32
	digestSize = 48
	innerSize  = 1 + 2*digestSize + 16
	extSize    = 1 + 2 + pathSize + digestSize + 16
	leafStub   = 1 + pathSize + 1
)

var emptyDigest [digestSize]byte

func validNode(node []byte) bool {
	if len(node) == 0 {
		return false
	}
	switch node[0] {
	case kindLeaf:
		return len(node) >= leafStub
	case kindInner:
		return len(node) == innerSize
	case kindExtension:
		return len(node) == extSize && node[1] < node[2]
	}
	return false
}

func bit(path []byte, depth int) int {
	return int(path[depth/8]>>(7-depth%8)) & 1
}

// extensionCovers reports whether path runs along the whole extension.
func extensionCovers(ext, path []byte) bool {
	for depth := int(ext[1]); depth < int(ext[2]); depth++ {
		if bit(ext[3:3+pathSize], depth) != bit(path, depth) {
			return false
		}
	}
	return true
}

// LeafRelay returns the relay of a stored leaf of that weight. It reports false
// for inner nodes and for leaves whose bytes are not what their path says.
func LeafRelay(digest string, node []byte, weight uint64) ([]byte, bool) {
	const head, tail = 1 + pathSize, 16
	if len(node) <= head+tail || node[0] != kindLeaf || len(digest) != len(Digest{}) {
		return nil, false
	}
	relay := node[head : len(node)-tail]
	key := Key(relay)
	path := sha256.Sum256(key[:])
	meta := node[len(node)-tail:]
	return relay, bytes.Equal(path[:], node[1:head]) && sha256.Sum256(node) == Digest([]byte(digest)) &&
		binary.BigEndian.Uint64(meta) == weight && binary.BigEndian.Uint64(meta[8:]) == 1
}
