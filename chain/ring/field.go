package ring

import (
	"encoding/binary"
	"math/bits"
)

// fe is an element of the field of secp256k1, p = 2^256 - 2^32 - 977, as four
// little-endian 64-bit limbs. Any value below 2^256 is allowed, so an element
// below 2^256 - p has two representations; reduce picks the canonical one.
//
// Nothing here is constant time: signatures and rings are public.
type fe [4]uint64

// fold is 2^256 mod p: what a carry out of the top limb is worth.
const fold = 1<<32 + 977

var feOne = fe{1}

// feFromBytes reads 32 big-endian bytes; values of p and above are kept as they
// are, which is the same element.
func feFromBytes(b []byte) fe {
	_ = b[31]
	return fe{
		binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[16:]),
		binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b),
	}
}

// put writes the canonical big-endian form.
func (x *fe) put(out []byte) {
	r := x.reduced()
	_ = out[31]
	binary.BigEndian.PutUint64(out, r[3])
	binary.BigEndian.PutUint64(out[8:], r[2])
	binary.BigEndian.PutUint64(out[16:], r[1])
	binary.BigEndian.PutUint64(out[24:], r[0])
}

// reduced returns the representation below p: x + fold carries out of 256 bits
// exactly when x is not below p, and then leaves x - p.
func (x *fe) reduced() fe {
	var r fe
	var c uint64
	r[0], c = bits.Add64(x[0], fold, 0)
	r[1], c = bits.Add64(x[1], 0, c)
	r[2], c = bits.Add64(x[2], 0, c)
	r[3], c = bits.Add64(x[3], 0, c)
	if c == 0 {
		return *x
	}
	return r
}

func (x *fe) isZero() bool {
	if x[0]|x[1]|x[2]|x[3] == 0 {
		return true
	}
	return x[0] == 1<<64-fold && x[1]&x[2]&x[3] == 1<<64-1
}

func (x *fe) isOdd() bool { r := x.reduced(); return r[0]&1 == 1 }

func (x *fe) equal(y *fe) bool {
	var d fe
	d.sub(x, y)
	return d.isZero()
}

// add sets z = x + y.
func (z *fe) add(x, y *fe) {
	t0, c := bits.Add64(x[0], y[0], 0)
	t1, c := bits.Add64(x[1], y[1], c)
	t2, c := bits.Add64(x[2], y[2], c)
	t3, c := bits.Add64(x[3], y[3], c)
	z.addFold(t0, t1, t2, t3, c)
}

// addFold sets z = t + carry * 2^256 for a carry of 0 or 1. Adding fold once may
// carry out again, but then what remains is far below 2^256 - fold.
func (z *fe) addFold(t0, t1, t2, t3, carry uint64) {
	t0, c := bits.Add64(t0, fold&-carry, 0)
	t1, c = bits.Add64(t1, 0, c)
	t2, c = bits.Add64(t2, 0, c)
	t3, c = bits.Add64(t3, 0, c)
	z[0], z[1], z[2], z[3] = t0+(fold&-c), t1, t2, t3
}

// sub sets z = x - y.
func (z *fe) sub(x, y *fe) {
	t0, b := bits.Sub64(x[0], y[0], 0)
	t1, b := bits.Sub64(x[1], y[1], b)
	t2, b := bits.Sub64(x[2], y[2], b)
	t3, b := bits.Sub64(x[3], y[3], b)
	t0, b = bits.Sub64(t0, fold&-b, 0)
	t1, b = bits.Sub64(t1, 0, b)
	t2, b = bits.Sub64(t2, 0, b)
	t3, b = bits.Sub64(t3, 0, b)
	// A second borrow leaves all but the lowest limb at their maximum.
	z[0], z[1], z[2], z[3] = t0-(fold&-b), t1, t2, t3
}

// neg sets z = -x.
func (z *fe) neg(x *fe) { z.sub(&fe{}, x) }
