package ring

import (
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// settled waits until the cache has evicted what it must, and returns the weight
// of what is left.
func settled(v *Verifier) (weight int) {
	v.points.hot.CleanUp()
	for _, h := range v.points.hot.All() {
		weight += h.bytes()
	}
	return weight
}

func TestTablesStayWithinTheirBudget(t *testing.T) {
	const budget = 3 * 512 << 10
	v := NewVerifier(WithCrossCheck(0), WithTableMemory(budget))
	for ring := range 4 {
		f := newFixture(t, 2)
		msg := [32]byte{byte(ring)}
		sig := f.sign(t, msg, 0)
		for range 2*hotAfter + 2 {
			if err := v.Verify(msg, sig, f.keys); err != nil {
				t.Fatal(err)
			}
		}
		if got := settled(v); got == 0 || got > budget {
			t.Fatalf("after ring %d the tables take %d bytes, want some and at most %d", ring, got, budget)
		}
	}
}

// A ring of an application and its gateway takes two tables a member and one for
// the image of who signs.
func TestMemoryPerRing(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	v := NewVerifier(WithCrossCheck(1), WithMetrics(reg))
	f := newFixture(t, 2)
	msg := [32]byte{7}
	sig := f.sign(t, msg, 0)
	expect := func(want map[string]float64) {
		t.Helper()
		settled(v)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			value, known := want[family.GetName()]
			if got := family.GetMetric()[0].GetGauge().GetValue(); known && got != value {
				t.Errorf("%s is %v, want %v", family.GetName(), got, value)
			}
			delete(want, family.GetName())
		}
		if len(want) > 0 {
			t.Errorf("not found: %v", want)
		}
	}
	generator := float64(tableBytes(generatorWidth))
	expect(map[string]float64{"ha_relayer_ring_points": 0, "ha_relayer_ring_table_points": 0, "ha_relayer_ring_table_bytes": generator})
	for range hotAfter + 2 {
		if err := v.Verify(msg, sig, f.keys); err != nil {
			t.Fatal(err)
		}
	}
	expect(map[string]float64{
		"ha_relayer_ring_points": 3, "ha_relayer_ring_table_points": 3,
		"ha_relayer_ring_table_bytes": generator + 2*(512<<10) + 256<<10,
	})
}

func TestWithoutMemoryThereAreNoTables(t *testing.T) {
	v := NewVerifier(WithCrossCheck(0), WithTableMemory(0))
	f := newFixture(t, 2)
	sig := f.sign(t, [32]byte{}, 0)
	for range 2 * hotAfter {
		if err := v.Verify([32]byte{}, sig, f.keys); err != nil {
			t.Fatal(err)
		}
	}
	if v.points.hot != nil {
		t.Error("there is a cache of tables")
	}
}

func TestOnlyAValidSignatureLeavesItsImageBehind(t *testing.T) {
	v := NewVerifier(WithCrossCheck(0))
	f := newFixture(t, 2)
	sig := f.sign(t, [32]byte{1}, 0)
	id := idOf(roleImage, signature(sig).image())
	if err := v.Verify([32]byte{2}, sig, f.keys); err == nil {
		t.Fatal("accepted another message")
	}
	if _, ok := v.points.known.GetIfPresent(id); ok {
		t.Error("an invalid signature's image is in the cache")
	}
	if err := v.Verify([32]byte{1}, sig, f.keys); err != nil {
		t.Fatal(err)
	}
	if _, ok := v.points.known.GetIfPresent(id); !ok {
		t.Error("a valid signature's image is not in the cache")
	}
}

func TestConcurrentVerification(t *testing.T) {
	v := NewVerifier(WithCrossCheck(7), WithTableMemory(2<<20))
	var wg sync.WaitGroup
	for range 4 {
		f := newFixture(t, 3)
		for signer := range 3 {
			msg := [32]byte{byte(signer)}
			sig := f.sign(t, msg, signer)
			wg.Go(func() {
				for range 2 * hotAfter {
					if err := v.Verify(msg, sig, f.keys); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if v.distrusted.Load() {
		t.Error("ring-go disagreed")
	}
}
