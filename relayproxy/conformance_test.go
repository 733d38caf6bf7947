package relayproxy

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/ingest"
)

// transport sends a serialized request and returns the answer.
type transport struct {
	name string
	send func(w *world, url string, body []byte) *servicetypes.RelayResponse
	port func(w *world) // changes what it comes in on; nil: the port of all the others
	// says that a message is too large in its own way, see TestOversize
	ownOversize bool
}

// transports are all ways in. What they share is the pipeline, so they must not differ.
func transports() []transport {
	overGRPC := func(w *world, url string, body []byte) *servicetypes.RelayResponse {
		res, err := w.call(url, body, "3")
		if err != nil {
			w.t.Fatal(err)
		}
		return res
	}
	overSocket := func(w *world, url string, body []byte) *servicetypes.RelayResponse {
		c := w.dial(url)
		c.send(body)
		return c.next()
	}
	return []transport{
		{name: "http", send: func(w *world, url string, body []byte) *servicetypes.RelayResponse {
			_, res := post(w.t, url, body, headerRPCType, "3")
			return res
		}},
		{name: "https", port: func(w *world) { w.secure(ProtocolAny) }, send: (*world).postSecurely},
		{name: "grpc", send: overGRPC, ownOversize: true},
		{name: "grpc on its own port", port: func(w *world) { w.port.Protocol = ProtocolGRPC }, send: overGRPC, ownOversize: true},
		{name: "grpc over TLS", port: func(w *world) { w.secure(ProtocolGRPC) }, send: overGRPC, ownOversize: true},
		{name: "grpc-web", send: func(w *world, url string, body []byte) *servicetypes.RelayResponse {
			return w.callWeb(url, "application/grpc-web+proto", body)[0]
		}},
		{name: "grpc-web-text over TLS", port: func(w *world) { w.secure(ProtocolHTTP) }, send: func(w *world, url string, body []byte) *servicetypes.RelayResponse {
			return w.callWeb(url, "application/grpc-web-text", body)[0]
		}},
		{name: "websocket", send: overSocket, ownOversize: true},
		{name: "websocket over TLS", port: func(w *world) { w.secure(ProtocolHTTP) }, send: overSocket, ownOversize: true},
	}
}

// world is one whose port takes the transport.
func (tr transport) world(t *testing.T) *world {
	w := newWorld(t)
	if tr.port != nil {
		tr.port(w)
	}
	return w
}

// TestConformance runs the same cases over every transport, and holds the answer, the
// stream and the meter against one expectation.
func TestConformance(t *testing.T) {
	const served = "served"
	type change = func(w *world, req *servicetypes.RelayRequest)
	signedAfter := func(edit change) func(w *world) []byte {
		return func(w *world) []byte {
			req := w.request(jsonRPC("hello"))
			edit(w, req)
			return w.sign(req)
		}
	}
	signedBefore := func(edit change) func(w *world) []byte {
		return func(w *world) []byte {
			req := w.request(jsonRPC("hello"))
			w.sign(req)
			edit(w, req)
			return marshal(w.t, req)
		}
	}
	cases := []struct {
		name    string
		prepare func(w *world)
		body    func(w *world) []byte
		want    string
	}{
		{"valid", nil, signedAfter(func(*world, *servicetypes.RelayRequest) {}), served},
		{"junk", nil, func(*world) []byte { return []byte("\xff\xfe junk") }, "relayer_proxy 14"},
		{"unsigned", nil, signedBefore(func(_ *world, r *servicetypes.RelayRequest) { r.Meta.Signature = nil }), "relay_authenticator 4"},
		{"forged", nil, signedBefore(func(_ *world, r *servicetypes.RelayRequest) { r.Meta.Signature = []byte("forged") }), "relay_authenticator 4"},
		{"changed after signing", nil, signedBefore(func(_ *world, r *servicetypes.RelayRequest) { r.Payload = append(r.Payload, 0) }), "relay_authenticator 4"},
		{"foreign supplier", nil, signedAfter(func(w *world, r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = address(w.t, "somebody")
		}), "relay_authenticator 6"},
		{"no header", nil, signedBefore(func(_ *world, r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil }), "relay_authenticator 4"},
		{"wrong session", nil, signedAfter(func(_ *world, r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionId = "other" }), "relay_authenticator 1"},
		{"wrong service", nil, signedAfter(func(_ *world, r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "nope" }), "relayer_proxy 3"},
		{"expired", func(w *world) { w.chain.setHeight(graceEnd + 1) }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 1"},
		{"in grace", func(w *world) { w.chain.setHeight(graceEnd) }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), served},
		{"future session", func(w *world) { w.chain.setHeight(sessionStart - 5) }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 6"},
		{"session sealed", func(w *world) { w.stream.err = ingest.ErrSessionClosed }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 1"},
		{"stream away", func(w *world) { w.stream.err = fmt.Errorf("redis is away") }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 5"},
		{"below difficulty", func(w *world) { w.chain.target = make([]byte, 32) }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), served},
		{"over budget", func(w *world) { w.chain.budget = 0 }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 7"},
		{"rate limited", func(w *world) {
			w.config.Limits.Rate = Rate{PerSecond: 1e-6, Burst: 1}
			w.started = func(s *Server) { s.pipeline.throttle.relayer.Allow() }
		}, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 7"},
		{"overloaded", func(w *world) { w.config.Limits.MaxMemory = 1 }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 7"},
		{"meter away", func(w *world) { w.ledger.err = fmt.Errorf("redis is away") }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 5"},
		{"chain away", func(w *world) { w.chain.err = fmt.Errorf("no node answers") }, signedAfter(func(*world, *servicetypes.RelayRequest) {}), "relayer_proxy 5"},
		{"oversize", func(w *world) {
			service := w.config.Services[testService]
			service.MaxRequestBody = 600
			w.config.Services[testService] = service
		}, signedAfter(func(_ *world, r *servicetypes.RelayRequest) { r.Payload = bytes.Repeat([]byte("x"), 590) }), "relayer_proxy 11"},
	}
	for _, tr := range transports() {
		for _, tc := range cases {
			if tc.name == "oversize" && tr.ownOversize {
				continue
			}
			t.Run(tr.name+"/"+tc.name, func(t *testing.T) {
				w := tr.world(t)
				w.speakBoth()
				if tc.prepare != nil {
					tc.prepare(w)
				}
				_, url := w.start()
				res := tr.send(w, url, tc.body(w))
				checkConformance(t, w, res, tc.want, served)
			})
		}
	}
}

// checkConformance: an answer is signed, charged for, and in the stream if it counts; a
// refusal is none of it, and has a code.
func checkConformance(t *testing.T, w *world, res *servicetypes.RelayResponse, want, served string) {
	t.Helper()
	got, mined, charged := served, 0, 0
	if e := res.RelayMinerError; e != nil {
		got = fmt.Sprintf("%s %d", e.Codespace, e.Code)
		if len(res.Meta.SupplierOperatorSignature) > 0 || len(res.Payload) == 0 {
			t.Errorf("a refusal with a signature of %d bytes and a text of %d", len(res.Meta.SupplierOperatorSignature), len(res.Payload))
		}
	} else {
		if err := res.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
			t.Errorf("signature: %v", err)
		}
		charged = 1 // mined or not
		if w.chain.target[0] == 0xff {
			mined = 1
		}
	}
	if got != want {
		t.Errorf("got %s (%v), want %s", got, res.RelayMinerError, want)
	}
	if n := len(w.stream.published()); n != mined {
		t.Errorf("%d relays are in the stream, want %d", n, mined)
	}
	w.checkCharged(charged)
}

// speakBoth makes the backend echo over HTTP and over WebSockets.
func (w *world) speakBoth() {
	overHTTP := w.backend.serve
	w.socketBackend(echoes)
	overSocket := w.backend.serve
	w.backend.serve = func(ctx *fasthttp.RequestCtx) {
		if websocket.FastHTTPIsWebSocketUpgrade(ctx) {
			overSocket(ctx)
			return
		}
		overHTTP(ctx)
	}
}

// What a backend does wrong is told alike over every transport that asks it over HTTP.
func TestConformanceOfBackends(t *testing.T) {
	ended := make(chan struct{})
	cases := []struct {
		name  string
		serve fasthttp.RequestHandler
		want  string
		mined int
	}{
		{"500", func(ctx *fasthttp.RequestCtx) { ctx.Error("broken", 500) }, "served", 0},
		{"404", func(ctx *fasthttp.RequestCtx) { ctx.Error("nothing", 404) }, "served", 1},
		{"empty", func(*fasthttp.RequestCtx) {}, "relayer_proxy 5", 0},
		{"huge", func(ctx *fasthttp.RequestCtx) { ctx.SetBody(make([]byte, 5000)) }, "relayer_proxy 12", 0},
		{"hangs", func(*fasthttp.RequestCtx) { <-ended }, "relayer_proxy 10", 0},
		{"hangs up", func(ctx *fasthttp.RequestCtx) { ctx.HijackSetNoResponse(true); ctx.Hijack(func(net.Conn) {}) }, "relayer_proxy 9", 0},
	}
	defer close(ended)
	for _, tr := range transports() {
		if tr.name == "websocket" || tr.port != nil {
			continue // what a port takes does not reach the backend
		}
		for _, tc := range cases {
			t.Run(tr.name+"/"+tc.name, func(t *testing.T) {
				w := tr.world(t)
				w.backend.serve = tc.serve
				service := w.config.Services[testService]
				service.Timeout, service.MaxResponseBody = 500*time.Millisecond, 4000
				w.config.Services[testService] = service
				_, url := w.start()
				res := tr.send(w, url, w.signed("hello"))
				got := "served"
				if e := res.RelayMinerError; e != nil {
					got = fmt.Sprintf("%s %d", e.Codespace, e.Code)
					if strings.Contains(e.Message, "127.0.0.1") {
						t.Errorf("the refusal tells where the backend is: %s", e.Message)
					}
				}
				if n := len(w.stream.published()); got != tc.want || n != tc.mined {
					t.Errorf("got %s with %d relays in the stream, want %s with %d", got, n, tc.want, tc.mined)
				}
				w.checkCharged(tc.mined)
			})
		}
	}
}

// gRPC and WebSocket have words of their own for a message that is too large, and are
// left before it is read.
func TestOversize(t *testing.T) {
	w := newWorld(t)
	w.speakBoth()
	service := w.config.Services[testService]
	service.MaxRequestBody = 600
	w.config.Services[testService] = service
	_, url := w.start()
	body := w.frame(strings.Repeat("x", 590))
	if _, err := w.call(url, body, "3"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("gRPC: got %v, want resource exhausted", err)
	}
	c := w.dial(url)
	c.send(body)
	if code, _ := c.closed(); code != websocket.CloseMessageTooBig {
		t.Errorf("WebSocket: closed with %d, want %d", code, websocket.CloseMessageTooBig)
	}
	if n := len(w.stream.published()); n != 0 {
		t.Errorf("%d relays are in the stream", n)
	}
}
