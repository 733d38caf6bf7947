package relayproxy

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a token bucket of relays.
type Rate struct {
	PerSecond float64 // 0: no limit
	Burst     int     // 0: what comes in a second
}

// bucket is nil for a rate that does not limit.
func (r Rate) bucket() *rate.Limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	burst := r.Burst
	if burst <= 0 {
		burst = max(1, int(math.Ceil(r.PerSecond)))
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), burst)
}

// throttle limits relays by rate: of the relayer, of a service, of an application.
//
// Nobody knows before the signature is verified who sends a relay. So the buckets are
// only looked at before, to refuse at once when one is empty, and a token is taken
// after: junk that names an application, or comes in numbers, takes nobody's tokens.
// What junk may take, memory and turns to verify, is bounded by admission.
type throttle struct {
	relayer     *rate.Limiter
	application Rate

	mu           sync.Mutex
	applications map[string]*rate.Limiter // verified ones
	swept        time.Time
}

func newThrottle(l Limits) *throttle {
	return &throttle{relayer: l.Rate.bucket(), application: l.PerApplication, applications: make(map[string]*rate.Limiter)}
}

// empty reports whether a relay would be refused, and takes nothing.
func (t *throttle) empty(r *relay, now time.Time) *Refusal {
	return t.each(r, now, false, func(l *rate.Limiter) bool { return l.TokensAt(now) >= 1 })
}

// take takes a token for a verified relay.
func (t *throttle) take(r *relay, now time.Time) *Refusal {
	return t.each(r, now, true, func(l *rate.Limiter) bool { return l.AllowN(now, 1) })
}

func (t *throttle) each(r *relay, now time.Time, verified bool, ok func(*rate.Limiter) bool) *Refusal {
	if l := t.of(r.header().ApplicationAddress, now, verified); l != nil && !ok(l) {
		return &Refusal{Reason: ReasonRateLimited, Detail: "too many relays of this application"}
	}
	if l := r.route.bucket; l != nil && !ok(l) {
		return &Refusal{Reason: ReasonRateLimited, Detail: "too many relays of this service"}
	}
	if t.relayer != nil && !ok(t.relayer) {
		return &Refusal{Reason: ReasonRateLimited, Detail: "too many relays"}
	}
	return nil
}

// of is the bucket of an application; only a verified one gets a bucket made.
func (t *throttle) of(application string, now time.Time, verified bool) *rate.Limiter {
	if t.application.PerSecond <= 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.applications[application]
	if !known && verified {
		t.sweep(now)
		l = t.application.bucket()
		t.applications[application] = l
	}
	return l
}

const sweepBuckets = time.Minute

// sweep forgets buckets that are full again; the caller holds mu.
func (t *throttle) sweep(now time.Time) {
	if now.Sub(t.swept) < sweepBuckets {
		return
	}
	t.swept = now
	for application, l := range t.applications {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(t.applications, application)
		}
	}
}
