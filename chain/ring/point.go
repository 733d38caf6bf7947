package ring

import (
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// affine is a point other than infinity.
type affine struct{ x, y fe }

// parsePoint reads a compressed point. It asks decred, as ring-go does, so
// that both accept the same encodings.
func parsePoint(compressed []byte) (affine, error) {
	key, err := secp256k1.ParsePubKey(compressed)
	if err != nil {
		return affine{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return affineOf(key), nil
}

func affineOf(key *secp256k1.PublicKey) affine {
	raw := key.SerializeUncompressed()
	return affine{x: feFromBytes(raw[1:33]), y: feFromBytes(raw[33:65])}
}

// negated returns -a.
func (a *affine) negated() affine {
	out := affine{x: a.x}
	out.y.neg(&a.y)
	return out
}

// sum is a point in extended Jacobian coordinates (XYZZ: x = X/ZZ, y = Y/ZZZ,
// ZZ^3 = ZZZ^2), which make adding an affine point cheapest. ZZ = 0 is
// infinity, so the zero value is too. Formulas: hyperelliptic.org EFD, g1p,
// auto-shortw-xyzz.
type sum struct{ x, y, zz, zzz fe }

func (s *sum) isInfinity() bool { return s.zz.isZero() }

func (s *sum) set(a *affine) { *s = sum{x: a.x, y: a.y, zz: feOne, zzz: feOne} }

// add adds an affine point (madd-2008-s).
func (s *sum) add(a *affine) {
	if s.isInfinity() {
		s.set(a)
		return
	}
	var p, r, pp, ppp, q, t fe
	p.mul(&a.x, &s.zz)
	p.sub(&p, &s.x)
	r.mul(&a.y, &s.zzz)
	r.sub(&r, &s.y)
	if p.isZero() {
		s.addSameX(a, &r)
		return
	}
	pp.square(&p)
	ppp.mul(&p, &pp)
	q.mul(&s.x, &pp)
	s.x.square(&r)
	s.x.sub(&s.x, &ppp)
	t.add(&q, &q)
	s.x.sub(&s.x, &t)
	q.sub(&q, &s.x)
	q.mul(&q, &r)
	t.mul(&s.y, &ppp)
	s.y.sub(&q, &t)
	s.zz.mul(&s.zz, &pp)
	s.zzz.mul(&s.zzz, &ppp)
}

// addSameX adds a point with the x coordinate of s: itself or its negative.
func (s *sum) addSameX(a *affine, yDifference *fe) {
	if !yDifference.isZero() {
		*s = sum{}
		return
	}
	s.set(a)
	s.double()
}

// double doubles s (dbl-2008-s-1). Infinity stays infinity, and no point of
// this curve has y = 0.
func (s *sum) double() {
	var u, v, w, m, t fe
	u.add(&s.y, &s.y)
	v.square(&u)
	w.mul(&u, &v)
	t.mul(&s.x, &v)
	m.square(&s.x)
	u.add(&m, &m)
	m.add(&m, &u)
	s.y.mul(&s.y, &w)
	s.x.square(&m)
	s.x.sub(&s.x, &t)
	s.x.sub(&s.x, &t)
	t.sub(&t, &s.x)
	t.mul(&t, &m)
	s.y.sub(&t, &s.y)
	s.zz.mul(&s.zz, &v)
	s.zzz.mul(&s.zzz, &w)
}

// merge adds another sum (add-2008-s).
func (s *sum) merge(o *sum) {
	if o.isInfinity() {
		return
	}
	if s.isInfinity() {
		*s = *o
		return
	}
	var u1, s1, p, r, pp, ppp fe
	u1.mul(&s.x, &o.zz)
	p.mul(&o.x, &s.zz)
	p.sub(&p, &u1)
	s1.mul(&s.y, &o.zzz)
	r.mul(&o.y, &s.zzz)
	r.sub(&r, &s1)
	if p.isZero() {
		if !r.isZero() {
			*s = sum{}
			return
		}
		s.double()
		return
	}
	pp.square(&p)
	ppp.mul(&p, &pp)
	u1.mul(&u1, &pp)
	s.x.square(&r)
	s.x.sub(&s.x, &ppp)
	s.x.sub(&s.x, &u1)
	s.x.sub(&s.x, &u1)
	u1.sub(&u1, &s.x)
	u1.mul(&u1, &r)
	s1.mul(&s1, &ppp)
	s.y.sub(&u1, &s1)
	s.zz.mul(&s.zz, &o.zz)
	s.zz.mul(&s.zz, &pp)
	s.zzz.mul(&s.zzz, &o.zzz)
	s.zzz.mul(&s.zzz, &ppp)
}

// affineWith returns s in affine coordinates, given 1/ZZZ. s is not infinity.
func (s *sum) affineWith(zzzInverse *fe) affine {
	var out affine
	var zInverse fe
	zInverse.mul(&s.zz, zzzInverse) // ZZ/ZZZ = 1/Z
	zInverse.square(&zInverse)
	out.x.mul(&s.x, &zInverse)
	out.y.mul(&s.y, zzzInverse)
	return out
}

// normalize converts many sums, none of them infinity, with one inversion
// (Montgomery's trick). out must be as long as sums.
func normalize(sums []sum, out []affine) {
	products := make([]fe, len(sums))
	running := feOne
	for i := range sums {
		products[i] = running
		running.mul(&running, &sums[i].zzz)
	}
	running.inverse(&running)
	for i := len(sums) - 1; i >= 0; i-- {
		var inv fe
		inv.mul(&running, &products[i])
		running.mul(&running, &sums[i].zzz)
		out[i] = sums[i].affineWith(&inv)
	}
}

// encodePair writes two points in compressed form with one inversion. Infinity
// is written as ring-go writes it: an even y and a zero x.
func encodePair(a, b *sum, outA, outB []byte) {
	one := feOne
	za, zb := &a.zzz, &b.zzz
	if a.isInfinity() {
		za = &one
	}
	if b.isInfinity() {
		zb = &one
	}
	var both, inv fe
	both.mul(za, zb)
	both.inverse(&both)
	inv.mul(&both, zb)
	a.encodeWith(&inv, outA)
	inv.mul(&both, za)
	b.encodeWith(&inv, outB)
}

func (s *sum) encodeWith(zzzInverse *fe, out []byte) {
	var p affine
	if !s.isInfinity() {
		p = s.affineWith(zzzInverse)
	}
	out[0] = secp256k1.PubKeyFormatCompressedEven
	if p.y.isOdd() {
		out[0] = secp256k1.PubKeyFormatCompressedOdd
	}
	p.x.put(out[1:pointLen])
}
