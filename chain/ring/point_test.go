package ring

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"pgregory.net/rapid"
)

// drawScalar draws scalars, often at the edges of windows and of the order.
func drawScalar(t *rapid.T, label string) scalar {
	n := scalarBig(t, label)
	var raw [32]byte
	s, _ := scalarOf(n.FillBytes(raw[:]))
	return s
}

func scalarBig(t *rapid.T, label string) *big.Int {
	small := rapid.Int64Range(0, 600).Draw(t, label+" small")
	shift := rapid.UintRange(0, 255).Draw(t, label+" shift")
	n := new(big.Int).Lsh(big.NewInt(small), shift)
	switch rapid.IntRange(0, 3).Draw(t, label+" kind") {
	case 0:
		n.SetBytes(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label+" random"))
	case 1:
		n.Sub(bigN, n)
	case 2:
		n.Sub(n, big.NewInt(1))
	}
	return n.Mod(n, bigN)
}

func decredScalar(s *scalar) *secp256k1.ModNScalar {
	var raw [32]byte
	(*fe)(s).big().FillBytes(raw[:])
	var out secp256k1.ModNScalar
	out.SetBytes(&raw)
	return &out
}

// decredMul multiplies with decred and encodes as ring-go does.
func decredMul(p *affine, terms ...*scalar) *secp256k1.JacobianPoint {
	var j, out secp256k1.JacobianPoint
	var x, y [32]byte
	p.x.put(x[:])
	p.y.put(y[:])
	j.X.SetBytes(&x)
	j.Y.SetBytes(&y)
	j.Z.SetInt(1)
	for _, k := range terms {
		secp256k1.ScalarMultNonConst(decredScalar(k), &j, &j)
	}
	out.Set(&j)
	return &out
}

func encodeDecred(p *secp256k1.JacobianPoint) []byte {
	p.ToAffine()
	return secp256k1.NewPublicKey(&p.X, &p.Y).SerializeCompressed()
}

func encodeSum(s *sum) []byte {
	var a, b [pointLen]byte
	encodePair(s, &sum{}, a[:], b[:])
	return a[:]
}

func TestMultiplicationAgainstDecred(t *testing.T) {
	c := newPointCache(1 << 20)
	points := []affine{c.generator.entries[0]}
	for _, seed := range []string{"a", "b"} {
		p, err := hashToCurve([]byte(seed))
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
	}
	tables := map[int][]*table{}
	var odd []*odds
	for i, p := range points {
		odd = append(odd, newOdds(p))
		for _, width := range []uint{hotWidth, 9, generatorWidth} {
			tables[i] = append(tables[i], newTable(p, width))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(points)-1).Draw(t, "point")
		k, m := drawScalar(t, "k"), drawScalar(t, "m")
		want := encodeDecred(decredMul(&points[i], &k))
		for _, table := range tables[i] {
			var s sum
			table.addTo(&s, &k)
			if got := encodeSum(&s); !bytes.Equal(got, want) {
				t.Fatalf("table of width %d: got %x, want %x", table.width, got, want)
			}
		}
		both := decredMul(&points[i], &k)
		secp256k1.AddNonConst(both, decredMul(&points[0], &m), both)
		want = encodeDecred(both)
		var terms [2]term
		terms[0].set(odd[i], &k)
		terms[1].set(odd[0], &m)
		var s sum
		straus(&s, terms[:])
		if got := encodeSum(&s); !bytes.Equal(got, want) {
			t.Fatalf("straus: got %x, want %x", got, want)
		}
		s = sum{}
		tables[i][0].addTo(&s, &k)
		straus(&s, terms[1:])
		if got := encodeSum(&s); !bytes.Equal(got, want) {
			t.Fatalf("table and straus: got %x, want %x", got, want)
		}
	})
}

func TestAdditionsThatHaveNoFormula(t *testing.T) {
	p, err := hashToCurve([]byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	minus := p.negated()
	two := scalar{2}
	double := encodeDecred(decredMul(&p, &two))
	infinity := append([]byte{2}, make([]byte, 32)...)
	sumOf := func(points ...*affine) *sum {
		var s sum
		for _, q := range points {
			s.add(q)
		}
		return &s
	}
	merged := func(a, b *sum) *sum { s := *a; s.merge(b); return &s }
	shift := func(s *sum) *sum { // the same point with another Z
		one := *s
		one.double()
		one.add(&minus)
		return &one
	}
	single := sumOf(&p)
	for _, tc := range []struct {
		name string
		got  *sum
		want []byte
	}{
		{"nothing", &sum{}, infinity},
		{"P+P", sumOf(&p, &p), double},
		{"P-P", sumOf(&p, &minus), infinity},
		{"P-P+P", sumOf(&p, &minus, &p), encodeSum(single)},
		{"merge P+P", merged(single, shift(single)), double},
		{"merge P-P", merged(shift(single), sumOf(&minus)), infinity},
		{"merge 0+P", merged(&sum{}, single), encodeSum(single)},
		{"merge P+0", merged(single, &sum{}), encodeSum(single)},
	} {
		if got := encodeSum(tc.got); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %x, want %x", tc.name, got, tc.want)
		}
	}
}
