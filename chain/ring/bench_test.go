package ring

import (
	"fmt"
	"testing"

	"github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"
)

// stockCheck is the whole check of poktroll's ring client with cached points:
// deserialize, membership by encoded point, verify.
func stockCheck(curve types.Curve, points map[string]struct{}, msg [32]byte, sig []byte) bool {
	var parsed ringgo.RingSig
	if parsed.Deserialize(curve, sig) != nil {
		return false
	}
	for _, key := range parsed.PublicKeys() {
		if _, ok := points[string(key.Encode())]; !ok {
			return false
		}
	}
	return parsed.Verify(msg)
}

func BenchmarkVerify(b *testing.B) {
	msg := [32]byte{1}
	for _, n := range []int{2, 3, 5, 10} {
		f := newFixture(b, n)
		sig := f.sign(b, msg, n-1)
		points := map[string]struct{}{}
		for _, key := range f.keys {
			points[string(key)] = struct{}{}
		}
		hot := NewVerifier(WithCrossCheck(0))
		for range hotAfter + 2 {
			if err := hot.Verify(msg, sig, f.keys); err != nil {
				b.Fatal(err)
			}
		}
		known := NewVerifier(WithCrossCheck(0), WithTableMemory(1))
		if err := known.Verify(msg, sig, f.keys); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("members=%d/by=ring-go", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !stockCheck(f.curve, points, msg, sig) {
					b.Fatal("invalid")
				}
			}
		})
		for name, v := range map[string]*Verifier{"tables": hot, "points": known} {
			b.Run(fmt.Sprintf("members=%d/by=%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := v.points.verify(msg, signature(sig)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkVerifyManyRings takes another ring each time, so that the tables are
// not in the caches next to the core, as in a relayer of many applications.
func BenchmarkVerifyManyRings(b *testing.B) {
	const rings = 64
	v := NewVerifier(WithCrossCheck(0))
	msg := [32]byte{1}
	var sigs []signature
	for range rings {
		f := newFixture(b, 2)
		sig := f.sign(b, msg, 1)
		for range hotAfter + 2 {
			if err := v.Verify(msg, sig, f.keys); err != nil {
				b.Fatal(err)
			}
		}
		sigs = append(sigs, sig)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := v.points.verify(msg, sigs[i%rings]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstVerify is the first signature of a ring nobody has seen.
func BenchmarkFirstVerify(b *testing.B) {
	msg := [32]byte{1}
	f := newFixture(b, 2)
	sig := f.sign(b, msg, 0)
	c := newPointCache(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		c.known.InvalidateAll()
		if err := c.verify(msg, signature(sig)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewTable(b *testing.B) {
	p, err := hashToCurve([]byte("p"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		newTable(p, hotWidth)
	}
	b.ReportMetric(float64(tableBytes(hotWidth)), "table-bytes")
}

func BenchmarkField(b *testing.B) {
	x, y := fe{1, 2, 3, 4}, fe{5, 6, 7, 8}
	b.Run("mul", func(b *testing.B) {
		for b.Loop() {
			x.mul(&x, &y)
		}
	})
	b.Run("square", func(b *testing.B) {
		for b.Loop() {
			x.square(&x)
		}
	})
	b.Run("inverse", func(b *testing.B) {
		for b.Loop() {
			x.inverse(&x)
		}
	})
}

func TestAWarmVerifyDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	msg := [32]byte{1}
	for _, n := range []int{2, 3, 5, 10} {
		f, v := newFixture(t, n), NewVerifier(WithCrossCheck(0))
		sig := f.sign(t, msg, 0)
		verify := func() {
			if err := v.Verify(msg, sig, f.keys); err != nil {
				t.Fatal(err)
			}
		}
		for range hotAfter + 2 {
			verify()
		}
		if got := testing.AllocsPerRun(500, verify); got != 0 {
			t.Errorf("ring of %d: %v allocations per signature, want none", n, got)
		}
	}
}
