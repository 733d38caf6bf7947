package ring

import (
	"crypto/sha3"
	"encoding/binary"
	"math/bits"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// scalar is a number below the group order, little-endian.
type scalar [4]uint64

// groupOrder is the order of secp256k1's group.
var groupOrder = scalar{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}

// scalarOf reads 32 big-endian bytes, reduced: ring-go takes scalars that are
// not below the order as their remainder.
func scalarOf(b []byte) (s scalar, reduced bool) {
	s = scalar(feFromBytes(b))
	t, borrow := s.minus(&groupOrder)
	if borrow == 0 {
		return t, true
	}
	return s, false
}

func (s *scalar) minus(o *scalar) (d scalar, borrow uint64) {
	d[0], borrow = bits.Sub64(s[0], o[0], 0)
	d[1], borrow = bits.Sub64(s[1], o[1], borrow)
	d[2], borrow = bits.Sub64(s[2], o[2], borrow)
	d[3], borrow = bits.Sub64(s[3], o[3], borrow)
	return d, borrow
}

// halved returns s or, if that is shorter, the order minus s, and whether it
// was negated. The result is below 2^255.
func (s *scalar) halved() (h scalar, negative bool) {
	if s[3]>>63 == 0 {
		return *s, false
	}
	h, _ = groupOrder.minus(s)
	return h, true
}

// shift256 is 2^256 modulo the group order.
var shift256 = [32]byte{
	15: 1, 16: 0x45, 17: 0x51, 18: 0x23, 19: 0x19, 20: 0x50, 21: 0xb7, 22: 0x5f, 23: 0xc4,
	24: 0x40, 25: 0x2d, 26: 0xa1, 27: 0x73, 28: 0x2f, 29: 0xc9, 30: 0xbe, 31: 0xbf,
}

// hashToScalar is go-dleq's HashToScalar (curve_decred.go): SHA3-512, reduced,
// and then, because big.Int drops leading zero bytes and the rest is copied to
// the front, shifted left by as many bytes as are zero at the top. Signatures
// depend on that shift. It is false where go-dleq panics: when the shifted
// value is not below the order, which takes a hash with 128 chosen bits.
func hashToScalar(in []byte) (scalar, bool) {
	hash := sha3.Sum512(in)
	var high, low, shift secp256k1.ModNScalar
	high.SetByteSlice(hash[:32])
	low.SetByteSlice(hash[32:])
	shift.SetBytes(&shift256)
	high.Mul(&shift).Add(&low)
	reduced := high.Bytes()
	var aligned [scalarLen]byte
	copy(aligned[:], reduced[leadingZeros(&reduced):])
	s, again := scalarOf(aligned[:])
	return s, !again
}

func leadingZeros(b *[32]byte) int {
	for i := 0; i < 32; i += 8 {
		if word := binary.BigEndian.Uint64(b[i:]); word != 0 {
			return i + bits.LeadingZeros64(word)/8
		}
	}
	return 32
}
