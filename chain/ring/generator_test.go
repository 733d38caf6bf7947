package ring

import (
	"encoding/binary"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"pgregory.net/rapid"
)

func TestGeneratorTimesAgainstDecred(t *testing.T) {
	check := func(t rapid.TB, k scalar) {
		t.Helper()
		var in, want [32]byte
		for i, word := range k {
			binary.BigEndian.PutUint64(in[24-8*i:], word)
		}
		n := decredScalar(&k)
		if !n.IsZero() {
			var p secp256k1.JacobianPoint
			secp256k1.ScalarBaseMultNonConst(n, &p)
			p.ToAffine()
			want = *p.X.Bytes()
		}
		if got := GeneratorTimes(in); got != want {
			t.Errorf("%x times the generator: got %x, want %x", in, got, want)
		}
	}
	last, _ := groupOrder.minus(&scalar{1})
	for _, k := range []scalar{{}, {1}, {2}, last} {
		check(t, k)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, drawScalar(t, "k")) })
}
