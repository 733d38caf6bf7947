package soak

import (
	"errors"
	"fmt"
	"slices"
)

// Sample is what a relayer holds after so many relays, none in flight.
type Sample struct {
	Relays     int
	RSS        int64 // bytes
	Goroutines int
}

// Limits are how much may stay of a run once it is warm.
type Limits struct {
	WarmUp int   // relays that are not judged
	Growth int64 // bytes that the line through the memory may rise over the rest
}

// Verdict is what a run's samples say.
type Verdict struct {
	Judged          int     `json:"judged_relays"`
	BytesPerRelay   float64 `json:"rss_slope_bytes_per_relay"`
	GrowthMiB       float64 `json:"rss_growth_mib"` // of the line, over the judged relays
	GrowthLimitMiB  float64 `json:"rss_growth_limit_mib"`
	FirstMiB        float64 `json:"rss_first_mib"` // where the line begins
	PeakMiB         float64 `json:"rss_peak_mib"`
	GoroutinesFirst int     `json:"goroutines_first"` // highest of the first third
	GoroutinesLast  int     `json:"goroutines_last"`  // lowest of the last third
}

// Why a run failed.
var (
	ErrMemory     = errors.New("resident memory grows")
	ErrGoroutines = errors.New("goroutines grow")
	errTooFew     = errors.New("too few samples")
)

const (
	mebi       = 1 << 20
	minSamples = 6
)

// Judge returns the figures with the error, if there is one to be seen in them.
func Judge(samples []Sample, limits Limits) (Verdict, error) {
	warm := slices.IndexFunc(samples, func(s Sample) bool { return s.Relays >= limits.WarmUp })
	if warm < 0 || len(samples)-warm < minSamples {
		return Verdict{}, fmt.Errorf("%w: %d, the first %d relays not judged", errTooFew, len(samples), limits.WarmUp)
	}
	samples = samples[warm:]
	first, last := samples[0], samples[len(samples)-1]
	v := Verdict{Judged: last.Relays - first.Relays, GrowthLimitMiB: float64(limits.Growth) / mebi}
	var at float64
	v.BytesPerRelay, at = line(samples)
	v.GrowthMiB = v.BytesPerRelay * float64(v.Judged) / mebi
	v.FirstMiB = (at + v.BytesPerRelay*float64(first.Relays)) / mebi
	v.PeakMiB = float64(slices.MaxFunc(samples, func(a, b Sample) int { return int(a.RSS - b.RSS) }).RSS) / mebi
	byGoroutines := func(a, b Sample) int { return a.Goroutines - b.Goroutines }
	third := len(samples) / 3
	// Timers, blocks and scrapes come and go; what a relay leaves behind stays.
	v.GoroutinesFirst = slices.MaxFunc(samples[:third], byGoroutines).Goroutines
	v.GoroutinesLast = slices.MinFunc(samples[len(samples)-third:], byGoroutines).Goroutines
	var err error
	if v.GrowthMiB > v.GrowthLimitMiB {
		err = fmt.Errorf("%w: %.1f MiB over %d relays, at most %.1f allowed", ErrMemory, v.GrowthMiB, v.Judged, v.GrowthLimitMiB)
	}
	if v.GoroutinesLast > v.GoroutinesFirst {
		err = errors.Join(err, fmt.Errorf("%w: from %d to %d", ErrGoroutines, v.GoroutinesFirst, v.GoroutinesLast))
	}
	return v, err
}

// line is the least squares line of memory over relays: bytes per relay, and
// bytes at none.
func line(samples []Sample) (slope, at float64) {
	var meanX, meanY, xy, xx float64
	n := float64(len(samples))
	for _, s := range samples {
		meanX += float64(s.Relays) / n
		meanY += float64(s.RSS) / n
	}
	for _, s := range samples {
		dx := float64(s.Relays) - meanX
		xy += dx * (float64(s.RSS) - meanY)
		xx += dx * dx
	}
	if xx > 0 {
		slope = xy / xx
	}
	return slope, meanY - slope*meanX
}
