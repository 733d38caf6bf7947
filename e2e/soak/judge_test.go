package soak

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// run makes samples every 1,000 relays.
func run(n int, memory func(relays int) float64, goroutines func(relays int) int) (samples []Sample) {
	for i := 1; i <= n; i++ {
		relays := 1000 * i
		samples = append(samples, Sample{Relays: relays, RSS: int64(memory(relays)), Goroutines: goroutines(relays)})
	}
	return samples
}

func TestJudge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	flat := func(int) float64 { return 200*mebi + 20*mebi*random.Float64() }
	steady := func(int) int { return 90 + random.IntN(4) }
	for name, c := range map[string]struct {
		memory     func(relays int) float64
		goroutines func(relays int) int
		want       error
	}{
		"noise":               {flat, steady, nil},
		"a saw":               {func(r int) float64 { return 200*mebi + 400*float64(r%50_000) }, steady, nil},
		"growth while warm":   {func(r int) float64 { return 100*mebi + 1200*math.Min(float64(r), 100_000) }, steady, nil},
		"falling":             {func(r int) float64 { return 300*mebi - 50*float64(r) }, steady, nil},
		"32 bytes a relay":    {func(r int) float64 { return flat(r) + 32*float64(r) }, steady, ErrMemory},
		"one more goroutine":  {flat, func(r int) int { return 90 + r/500_000 }, ErrGoroutines},
		"goroutines, at last": {flat, func(r int) int { return 90 + max(0, r-600_000)/10_000 }, ErrGoroutines},
		"bursts":              {flat, func(r int) int { return 90 + 60*(r/1000%2) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Judge(run(1000, c.memory, c.goroutines), Limits{WarmUp: 100_000, Growth: 16 * mebi})
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v: %+v", err, c.want, v)
			}
			if v.Judged != 900_000 {
				t.Errorf("%d relays are judged, want 900,000", v.Judged)
			}
		})
	}
}

func TestJudgeNeedsSamples(t *testing.T) {
	flat := func(int) float64 { return mebi }
	if v, err := Judge(run(10, flat, func(int) int { return 1 }), Limits{WarmUp: 6_000}); !errors.Is(err, errTooFew) {
		t.Errorf("got %+v and %v for 5 warm samples, want a refusal", v, err)
	}
}

func TestLine(t *testing.T) {
	samples := run(10, func(r int) float64 { return 5000 + 3*float64(r) }, func(int) int { return 0 })
	if slope, at := line(samples); math.Abs(slope-3) > 1e-9 || math.Abs(at-5000) > 1e-6 {
		t.Errorf("got %v bytes a relay and %v at none, want 3 and 5000", slope, at)
	}
}
