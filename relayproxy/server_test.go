package relayproxy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
)

// TestConcurrentRelaysKeepTheirOwnBytes serves many relays at once, poisoning
// every buffer that a transport reuses as soon as the handler is back, and
// checks that each client and each leaf has its own request in it.
func TestConcurrentRelaysKeepTheirOwnBytes(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	const clients, each = 8, 6
	bodies := make([][]byte, clients*each)
	for i := range bodies {
		bodies[i] = w.signed(fmt.Sprintf(`{"id":%d}`, i))
	}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			var ctx fasthttp.RequestCtx
			for i := c * each; i < (c+1)*each; i++ {
				ctx.Request.Reset()
				ctx.Response.Reset()
				ctx.Request.SetBody(bodies[i])
				s.handleHTTP(&ctx)
				var res servicetypes.RelayResponse
				if err := res.Unmarshal(ctx.Response.Body()); err != nil || res.RelayMinerError != nil {
					t.Errorf("relay %d: %v %v", i, err, res.RelayMinerError)
				}
				if want := fmt.Sprintf(`echo:{"id":%d}`, i); string(backendAnswer(t, &res).BodyBz) != want {
					t.Errorf("relay %d: answered %q", i, backendAnswer(t, &res).BodyBz)
				}
				poison(ctx.Request.Body())
				poison(ctx.Response.Body())
			}
		})
	}
	wg.Wait()
	leaves := map[string]bool{}
	for _, mined := range w.stream.published() {
		var relay servicetypes.Relay
		if err := relay.Unmarshal(mined.Relay); err != nil {
			t.Fatalf("a leaf was overwritten: %v", err)
		}
		leaves[string(relay.Req.Payload)] = true
	}
	if len(leaves) != len(bodies) {
		t.Errorf("%d different leaves, want %d", len(leaves), len(bodies))
	}
}

func poison(b []byte) {
	for i := range b {
		b[i] = 0xAA
	}
}

func TestShutdownAnswersWhatIsInFlight(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(Port{Listener: ln}) }()
	working, release := make(chan struct{}), make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		close(working)
		<-release
		ctx.SetBodyString("late but right")
	})
	if err := s.Ready(); err != nil {
		t.Fatalf("not ready: %v", err)
	}
	body, answered := w.signed("{}"), make(chan *servicetypes.RelayResponse, 1)
	go func() {
		_, res := post(t, "http://"+ln.Addr().String(), body)
		answered <- res
	}()
	<-working
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if s.Ready() == nil {
		t.Error("ready while shutting down")
	}
	close(release)
	if res := <-answered; res.RelayMinerError != nil || len(w.stream.published()) != 1 {
		t.Errorf("got %v and %d leaves, want an answer and one leaf", res.RelayMinerError, len(w.stream.published()))
	}
	if err := <-down; err != nil {
		t.Errorf("shut down: %v", err)
	}
}

func TestNotReadyBeforeTheFirstBlock(t *testing.T) {
	w := newWorld(t)
	w.chain.setHeight(0)
	if w.server().Ready() == nil {
		t.Error("ready without a block")
	}
}

func TestAPostIsNeverSentTwice(t *testing.T) {
	for _, tc := range []struct {
		method string
		most   int32
	}{{"POST", 1}, {"PUT", 1}, {"DELETE", 1}, {"GET", 2}} {
		w := newWorld(t)
		var calls atomic.Int32
		w.backend.handle(func(ctx *fasthttp.RequestCtx) {
			calls.Add(1)
			_ = ctx.Conn().Close()
		})
		_, url := w.start()
		in := jsonRPC("{}")
		in.Method = tc.method
		if _, res := post(t, url, w.sign(w.request(in))); res.RelayMinerError.GetCode() != 9 {
			t.Errorf("%s: got %v, want a refusal", tc.method, res.RelayMinerError)
		}
		if got := calls.Load(); got > tc.most {
			t.Errorf("%s reached the backend %d times, want at most %d", tc.method, got, tc.most)
		}
	}
}

// TestAnOversizeChunkedBodyGetsItsRefusal sends a body of unknown length, as
// fast as it goes, and reads only then.
func TestAnOversizeChunkedBodyGetsItsRefusal(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.SetRequestURI(url)
	req.Header.SetMethod("POST")
	req.SetBodyStream(bytes.NewReader(make([]byte, 40<<20)), -1)
	if err := fasthttp.DoTimeout(req, res, 20*time.Second); err != nil {
		t.Fatalf("post: %v", err)
	}
	var out servicetypes.RelayResponse
	if err := out.Unmarshal(res.Body()); err != nil || out.RelayMinerError.GetCode() != 11 {
		t.Errorf("got %v, %v, want the refusal for size", out.RelayMinerError, err)
	}
}

// acceptAll stands in for the ring signature where only the rest is measured.
type acceptAll struct{}

func (acceptAll) Verify([32]byte, []byte, [][]byte) error { return nil }

// maxAllocs bounds the allocations of a relay outside cryptography: decoding,
// session checks, the backend call, signing and serializing.
const maxAllocs = 110

func TestAllocationsOfTheRelayPath(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w := newWorld(t)
	p := w.server().pipeline
	p.verifier = acceptAll{}
	body := w.signed(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`)
	ctx := context.Background()
	got := testing.AllocsPerRun(200, func() {
		if _, _, refusal := p.serveOne(ctx, body); refusal != nil {
			t.Fatal(refusal)
		}
	})
	t.Logf("%.0f allocations per relay", got)
	if got > maxAllocs {
		t.Errorf("%.0f allocations per relay, at most %d are budgeted", got, maxAllocs)
	}
}

func BenchmarkServe(b *testing.B) {
	w := newWorld(b)
	p := w.server().pipeline
	body := w.signed(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, refusal := p.serveOne(context.Background(), body); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

// maxCopies is how often the bytes of a large answer may be in memory: once in
// the payload that is hashed, once in the reply that is sent.
const maxCopies = 2

func BenchmarkServeLargeAnswer(b *testing.B) {
	w := newWorld(b)
	p, body := largeAnswer(w)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, refusal := p.serveOne(context.Background(), body); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

const largeAnswerBytes = 500_000

func largeAnswer(w *world) (*pipeline, []byte) {
	big := make([]byte, largeAnswerBytes)
	w.backend.handle(func(ctx *fasthttp.RequestCtx) { ctx.Response.SetBodyRaw(big) })
	p := w.server().pipeline
	p.verifier = acceptAll{}
	return p, w.signed(`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs"}`)
}

func TestAllocatedBytesOfALargeAnswer(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p, body := largeAnswer(newWorld(t))
	const relays = 50
	var before, after runtime.MemStats
	for i := range relays + 10 {
		if i == 10 { // pools are filled
			runtime.ReadMemStats(&before)
		}
		if _, _, refusal := p.serveOne(context.Background(), body); refusal != nil {
			t.Fatal(refusal)
		}
	}
	runtime.ReadMemStats(&after)
	copies := float64(after.TotalAlloc-before.TotalAlloc) / relays / largeAnswerBytes
	t.Logf("%.2f times the answer allocated per relay", copies)
	// A quarter of a copy is for the backend, which runs here too, and all else.
	if copies > maxCopies+0.25 {
		t.Errorf("%.2f times the answer allocated per relay, at most %d are budgeted", copies, maxCopies)
	}
}
