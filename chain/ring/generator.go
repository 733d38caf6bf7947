package ring

import (
	"sync"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// generatorTable is the window table of the curve's generator, made once: it is
// a constant.
var generatorTable = sync.OnceValue(func() *table {
	var one secp256k1.ModNScalar
	var g secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(one.SetInt(1), &g)
	g.ToAffine()
	return newTable(affineOf(secp256k1.NewPublicKey(&g.X, &g.Y)), generatorWidth)
})

// GeneratorTimes returns the x coordinate of k times the generator, zero for k =
// 0. Both are 32 big-endian bytes. Like decred's multiplication it does not take
// the same time for every k.
func GeneratorTimes(k [32]byte) (x [32]byte) {
	s, _ := scalarOf(k[:])
	var product sum
	generatorTable().addTo(&product, &s)
	if product.isInfinity() {
		return x
	}
	var inverse fe
	inverse.inverse(&product.zzz)
	p := product.affineWith(&inverse)
	p.x.put(x[:])
	return x
}
