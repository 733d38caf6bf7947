package ring

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Layout of a serialized signature (ring-go serde.go): the number of members,
// the first challenge, the key image, then per member a response scalar and
// the member's compressed key.
const (
	sizeLen   = 4
	scalarLen = 32
	pointLen  = 33
	headLen   = sizeLen + scalarLen + pointLen
	memberLen = scalarLen + pointLen
)

// signature is a view of a serialized signature; it shares the bytes.
type signature []byte

// parse checks everything about the size before anything is computed with it.
//
// ring-go panics on 1 to 3 bytes and on a size of zero, burns a second of CPU
// on a thousand members, and ignores bytes after the last member. The number
// of members is therefore bounded by the expected ring and the length must be
// exact. Refusing trailing bytes and over-long rings is stricter than the
// chain, which costs nothing: a refused relay is never claimed.
func parse(sig []byte, maxMembers int) (signature, error) {
	if len(sig) < headLen+memberLen {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(sig))
	}
	n := uint64(binary.BigEndian.Uint32(sig))
	if want := headLen + n*memberLen; n == 0 || uint64(len(sig)) != want {
		return nil, fmt.Errorf("%w: %d bytes for %d members, want %d", ErrMalformed, len(sig), n, want)
	}
	if n > uint64(maxMembers) {
		return nil, fmt.Errorf("%w: %d members, the ring has %d", ErrForeignMember, n, maxMembers)
	}
	return signature(sig), nil
}

// members is the number of keys the signature was made over.
func (s signature) members() int { return (len(s) - headLen) / memberLen }

// challenge is the first challenge of the chain, which the last must equal.
func (s signature) challenge() []byte { return s[sizeLen : sizeLen+scalarLen] }

// image is the compressed key image, equal in all signatures of one signer.
func (s signature) image() []byte { return s[sizeLen+scalarLen : headLen] }

// response is the scalar of member i.
func (s signature) response(i int) []byte {
	at := headLen + i*memberLen
	return s[at : at+scalarLen]
}

// key is the compressed public key of member i.
func (s signature) key(i int) []byte {
	at := headLen + i*memberLen + scalarLen
	return s[at : at+pointLen]
}

// within reports whether every member is a key of the expected ring. Order and
// repetition do not matter (poktroll rings.ringPointsContain); comparing bytes
// is comparing points, because a compressed key has one encoding only.
func (s signature) within(expected [][]byte) bool {
	for i := range s.members() {
		if !contains(expected, s.key(i)) {
			return false
		}
	}
	return true
}

func contains(keys [][]byte, key []byte) bool {
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}
