package ring

import (
	"encoding/binary"
	"math/big"
	"testing"

	"github.com/pokt-network/go-dleq/secp256k1"
	"pgregory.net/rapid"
)

var (
	bigP, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16)
	bigN, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
)

// drawFe draws elements, often near the edges where carries happen.
func drawFe(t *rapid.T, label string) fe {
	edge := rapid.SampledFrom([]uint64{0, 1, 2, fold - 1, fold, fold + 1, 1 << 63, 1<<64 - fold - 1, 1<<64 - fold, 1<<64 - 1})
	limb := rapid.OneOf(edge, rapid.Uint64())
	return fe{limb.Draw(t, label+"0"), limb.Draw(t, label+"1"), limb.Draw(t, label+"2"), limb.Draw(t, label+"3")}
}

func (x *fe) big() *big.Int {
	var b [32]byte
	for i, limb := range x {
		binary.BigEndian.PutUint64(b[24-8*i:], limb)
	}
	return new(big.Int).SetBytes(b[:])
}

func mod(x *big.Int) *big.Int { return x.Mod(x, bigP) }

func TestFieldAgainstBigInt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := drawFe(t, "x"), drawFe(t, "y")
		bx, by := x.big(), y.big()
		check := func(name string, got fe, want *big.Int) {
			t.Helper()
			if mod(got.big()).Cmp(want) != 0 {
				t.Fatalf("%s: got %x, want %x", name, got.big(), want)
			}
			var out [32]byte
			got.put(out[:])
			if new(big.Int).SetBytes(out[:]).Cmp(want) != 0 {
				t.Fatalf("%s: put %x, want %x", name, out, want)
			}
		}
		var z fe
		z.add(&x, &y)
		check("add", z, mod(new(big.Int).Add(bx, by)))
		z.sub(&x, &y)
		check("sub", z, mod(new(big.Int).Sub(bx, by)))
		z.neg(&x)
		check("neg", z, mod(new(big.Int).Neg(bx)))
		z.mul(&x, &y)
		check("mul", z, mod(new(big.Int).Mul(bx, by)))
		z = x
		z.mul(&z, &z)
		check("mul in place", z, mod(new(big.Int).Mul(bx, bx)))
		z.square(&x)
		check("square", z, mod(new(big.Int).Mul(bx, bx)))
		if got, want := x.isZero(), mod(x.big()).Sign() == 0; got != want {
			t.Fatalf("isZero: got %v", got)
		}
		if got, want := x.isOdd(), mod(x.big()).Bit(0) == 1; got != want {
			t.Fatalf("isOdd: got %v", got)
		}
		if got, want := x.equal(&y), mod(x.big()).Cmp(mod(y.big())) == 0; got != want {
			t.Fatalf("equal: got %v", got)
		}
		z.inverse(&x)
		want := new(big.Int).ModInverse(mod(x.big()), bigP)
		if want == nil {
			want = new(big.Int)
		}
		check("inverse", z, want)
	})
}

func TestHashToScalarAgainstGoDleq(t *testing.T) {
	curve := secp256k1.NewCurve()
	short := 0
	var in [98]byte
	for i := range 20_000 {
		binary.BigEndian.PutUint32(in[:], uint32(i))
		want, err := curve.HashToScalar(in[:])
		if err != nil {
			t.Fatal(err)
		}
		got, ok := hashToScalar(in[:])
		if !ok || new(big.Int).SetBytes(want.Encode()).Cmp((*fe)(&got).big()) != 0 {
			t.Fatalf("input %d: got %x, want %x", i, (*fe)(&got).big(), want.Encode())
		}
		if want.Encode()[31] == 0 {
			short++
		}
	}
	if short < 20 {
		t.Errorf("only %d of the inputs exercised the alignment of short values", short)
	}
}

func TestScalarOfReduces(t *testing.T) {
	for _, tc := range []struct {
		name    string
		in      *big.Int
		reduced bool
	}{
		{"zero", new(big.Int), false},
		{"order less one", new(big.Int).Sub(bigN, big.NewInt(1)), false},
		{"order", bigN, true},
		{"order and five", new(big.Int).Add(bigN, big.NewInt(5)), true},
		{"largest", new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)), true},
	} {
		var raw [32]byte
		got, reduced := scalarOf(tc.in.FillBytes(raw[:]))
		if want := new(big.Int).Mod(tc.in, bigN); (*fe)(&got).big().Cmp(want) != 0 || reduced != tc.reduced {
			t.Errorf("%s: got %x %v, want %x %v", tc.name, (*fe)(&got).big(), reduced, want, tc.reduced)
		}
	}
}
