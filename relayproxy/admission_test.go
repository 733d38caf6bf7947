package relayproxy

import (
	"context"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// once is a rate that a second relay exceeds for the rest of the test.
var once = Rate{PerSecond: 1e-6, Burst: 1}

func TestRatesAreLimited(t *testing.T) {
	for name, limit := range map[string]func(w *world){
		"of the relayer":     func(w *world) { w.config.Limits.Rate = once },
		"of an application":  func(w *world) { w.config.Limits.PerApplication = once },
		"of a service":       func(w *world) { w.limitService(once) },
		"but not by default": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			limit(w)
			s, url := w.start()
			for range 3 {
				post(t, url, w.signed("hello"))
			}
			limited := 2
			if name == "but not by default" {
				limited = 0
			}
			if n := rejections(s, ReasonRateLimited); n != float64(limited) {
				t.Errorf("%v of 3 relays were refused, want %d", n, limited)
			}
			w.checkCharged(3 - limited)
		})
	}
}

func (w *world) limitService(r Rate) {
	service := w.config.Services[testService]
	service.Rate = r
	w.config.Services[testService] = service
}

// Whoever names an application without its signature takes none of its tokens, nor
// anybody else's.
func TestJunkTakesNoTokens(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Rate, w.config.Limits.PerApplication = once, once
	w.limitService(once)
	s, url := w.start()
	for range 10 {
		req := w.request(jsonRPC("hello"))
		req.Meta.Signature = []byte("forged")
		post(t, url, marshal(t, req))
	}
	if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
		t.Errorf("after junk: %v, want a served relay", res.RelayMinerError)
	}
	if n := len(s.pipeline.throttle.applications); n != 1 {
		t.Errorf("%d applications have a bucket, want 1", n)
	}
}

func TestBucketsThatAreFullAreForgotten(t *testing.T) {
	now := time.Unix(1000, 0)
	th := newThrottle(Limits{PerApplication: Rate{PerSecond: 1, Burst: 5}})
	for _, app := range []string{"a", "b"} {
		if !th.of(app, now, true).AllowN(now, 1) {
			t.Fatal("a new bucket is empty")
		}
	}
	th.of("c", now.Add(2*sweepBuckets), true)
	if _, made := th.applications["c"]; !made || len(th.applications) != 1 {
		t.Errorf("buckets left: %v, want that of c", th.applications)
	}
}

// A relayer that is full says so at once, to clients and to its balancer, and is
// empty again afterwards.
func TestRelaysInFlightAreBounded(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.MaxConcurrent = 1
	arrived, release := make(chan struct{}), make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		arrived <- struct{}{}
		<-release
		ctx.SetBodyString("late")
	})
	s, url := w.start()
	body := w.signed("hello")
	done := make(chan bool)
	go func() {
		_, _, refusal := s.pipeline.serveOne(context.Background(), body)
		done <- refusal == nil
	}()
	<-arrived
	if _, res := post(t, url, body); res.GetRelayMinerError().GetCode() != 7 {
		t.Errorf("a second relay: got %v, want code 7", res.RelayMinerError)
	}
	if s.Ready() == nil {
		t.Error("a full relayer is ready")
	}
	close(release)
	if !<-done {
		t.Error("the first relay was refused")
	}
	if a := s.pipeline.admission; a.relays.Load() != 0 || a.bytes.Load() != 0 || s.Ready() != nil {
		t.Errorf("afterwards %d relays and %d bytes are in flight, ready: %v", a.relays.Load(), a.bytes.Load(), s.Ready())
	}
}

// An answer whose size is told is refused before it is read, if there is no room.
func TestAnswersInFlightAreBounded(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.MaxMemory = 100_000
	w.backend.handle(func(ctx *fasthttp.RequestCtx) { ctx.SetBody(make([]byte, 100_000)) })
	s, url := w.start()
	if _, res := post(t, url, w.signed("hello")); res.GetRelayMinerError().GetCode() != 7 {
		t.Errorf("got %v, want code 7", res.RelayMinerError)
	}
	if n := s.pipeline.admission.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are still in flight", n)
	}
	w.checkCharged(0)
}

// A forged relay for the session of the next block is refused at once; a signed one
// waits, while there is room.
func TestOnlySignedRelaysWaitForABlock(t *testing.T) {
	w := newWorld(t)
	w.chain.setHeight(sessionStart - 1)
	w.chain.blocks = make(chan int64) // whoever waits, waits
	s, url := w.start()
	req := w.request(jsonRPC("hello"))
	w.sign(req)
	req.Payload[0] ^= 1
	post(t, url, marshal(t, req))
	if n := rejections(s, ReasonBadSignature); n != 1 {
		t.Errorf("%v bad signatures, want 1", n)
	}
	s.pipeline.admission.awaiting.most = 0
	post(t, url, w.signed("hello"))
	if n := rejections(s, ReasonSessionUnknown); n != 1 {
		t.Errorf("%v relays of an unknown session, want 1", n)
	}
}

// maxRefusalAllocs bounds what a refused relay allocates: its answer, and for a rate
// its decoded request.
const maxRefusalAllocs = 20

func TestAllocationsOfARefusal(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, refuse := range refusers(t) {
		got := testing.AllocsPerRun(200, refuse)
		t.Logf("%s: %.0f allocations", name, got)
		if got > maxRefusalAllocs {
			t.Errorf("%s: %.0f allocations, at most %d are budgeted", name, got, maxRefusalAllocs)
		}
	}
}

func BenchmarkRefusal(b *testing.B) {
	for name, refuse := range refusers(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				refuse()
			}
		})
	}
}

// refusers each refuse a good relay before its signature is looked at.
func refusers(t testing.TB) map[string]func() {
	out := make(map[string]func())
	for reason, edit := range map[Reason]func(w *world){
		ReasonOverloaded:  func(w *world) { w.config.Limits.MaxMemory = 1 },
		ReasonRateLimited: func(w *world) { w.limitService(once) },
	} {
		w := newWorld(t)
		edit(w)
		s := w.server()
		if l := s.pipeline.routes[testService][RPCJSON].bucket; l != nil {
			l.Allow()
		}
		body := w.signed("hello")
		out[reason.String()] = func() {
			_, r, refusal := s.pipeline.serveOne(context.Background(), body)
			if refusal == nil || refusal.Reason != reason || len(s.refuse(r, refusal)) == 0 {
				t.Fatalf("got %v, want %s", refusal, reason)
			}
		}
	}
	return out
}
