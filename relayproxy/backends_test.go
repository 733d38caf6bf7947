package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// counted is a backend that counts its calls and lets serve answer.
func counted(t *testing.T, serve fasthttp.RequestHandler) (url string, calls *atomic.Int32) {
	b := newBackend(t)
	calls = new(atomic.Int32)
	echo := b.serve
	b.handle(func(ctx *fasthttp.RequestCtx) {
		calls.Add(1)
		if serve != nil {
			serve(ctx)
			return
		}
		echo(ctx)
	})
	return b.url, calls
}

// hangUp closes the connection after the request was read.
func hangUp(ctx *fasthttp.RequestCtx) { _ = ctx.Conn().Close() }

// pooled gives the JSON-RPC route these backends, in this order of preference for the
// first relay.
func (w *world) pooled(edit func(*Pool), urls ...string) *Server {
	p := Pool{RoundRobin: true, Retries: 2}
	// The turn begins with the second.
	for i := range urls {
		p.Backends = append(p.Backends, Backend{URL: urls[(i+len(urls)-1)%len(urls)]})
	}
	if edit != nil {
		edit(&p)
	}
	w.config.Services[testService].Backends[RPCJSON] = p
	return w.server()
}

func (w *world) relay(s *Server, method string) *Refusal {
	w.t.Helper()
	in := jsonRPC("{}")
	in.Method = method
	_, _, refusal := s.pipeline.serveOne(context.Background(), w.sign(w.request(in)))
	return refusal
}

// Only what had no effect at the first backend goes to a second.
func TestRetries(t *testing.T) {
	for _, tc := range []struct {
		name, method  string
		first         func(t *testing.T) string
		edit          func(*Pool)
		served        bool
		second, leafs int
	}{
		{"POST, connection refused", "POST", func(t *testing.T) string { return closedPort(t) }, nil, true, 1, 1},
		{"GET, connection refused", "GET", func(t *testing.T) string { return closedPort(t) }, nil, true, 1, 1},
		{"POST, hung up after it was sent", "POST", func(t *testing.T) string { url, _ := counted(t, hangUp); return url }, nil, false, 0, 0},
		{"PUT, hung up after it was sent", "PUT", func(t *testing.T) string { url, _ := counted(t, hangUp); return url }, nil, false, 0, 0},
		{"GET, hung up after it was sent", "GET", func(t *testing.T) string { url, _ := counted(t, hangUp); return url }, nil, true, 1, 1},
		{"POST that may be sent twice", "POST", func(t *testing.T) string { url, _ := counted(t, hangUp); return url },
			func(p *Pool) { p.RetryUnsafe = true }, true, 1, 1},
		{"no retries wanted", "POST", func(t *testing.T) string { return closedPort(t) }, func(p *Pool) { p.Retries = 0 }, false, 0, 0},
		{"an error that the backend answered", "GET", func(t *testing.T) string {
			url, _ := counted(t, func(ctx *fasthttp.RequestCtx) { ctx.Error("no", 503) })
			return url
		}, nil, true, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			second, calls := counted(t, nil)
			s := w.pooled(tc.edit, tc.first(t), second)
			refusal := w.relay(s, tc.method)
			if (refusal == nil) != tc.served || int(calls.Load()) != tc.second || len(w.stream.published()) != tc.leafs {
				t.Errorf("refusal %v, %d calls of the second backend, %d leaves; want served %t, %d, %d",
					refusal, calls.Load(), len(w.stream.published()), tc.served, tc.second, tc.leafs)
			}
		})
	}
}

// A backend that fails in a row is left alone; when all are out, relays are refused
// without anybody being asked, and the service is not ready.
func TestFailingBackendsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	bad, calls := counted(t, func(ctx *fasthttp.RequestCtx) { ctx.Error("down", 502) })
	s := w.pooled(func(p *Pool) { p.Failures, p.Recovery = 3, time.Hour }, bad)
	for i := range 3 {
		if refusal := w.relay(s, "POST"); refusal != nil {
			t.Fatalf("relay %d: %v", i, refusal)
		}
		if err := s.ReadyFor(testService); (err == nil) != (i < 2) {
			t.Errorf("after %d failures: ready says %v", i+1, err)
		}
	}
	began := time.Now()
	refusal := w.relay(s, "POST")
	if refusal == nil || refusal.Reason != ReasonBackendsOut || calls.Load() != 3 {
		t.Errorf("got %v after %d calls, want a refusal after 3", refusal, calls.Load())
	}
	t.Logf("refused in %s", time.Since(began))
	if got := testutil.ToFloat64(s.metrics.backendOut.WithLabelValues(testService, "jsonrpc", strings.TrimPrefix(bad, "http://"), "failing")); got != 1 {
		t.Errorf("taken out %g times in the metrics, want 1", got)
	}
	if s.Ready() != nil {
		t.Error("the relayer is not ready because of one service")
	}
}

// What a client can cause does not take a backend out.
func TestClientsCannotTakeBackendsOut(t *testing.T) {
	for name, serve := range map[string]fasthttp.RequestHandler{
		"500":   func(ctx *fasthttp.RequestCtx) { ctx.Error("panic: your params", 500) },
		"404":   func(ctx *fasthttp.RequestCtx) { ctx.Error("nothing", 404) },
		"huge":  func(ctx *fasthttp.RequestCtx) { ctx.SetBody(make([]byte, 5000)) },
		"empty": func(*fasthttp.RequestCtx) {},
	} {
		w := newWorld(t)
		service := w.config.Services[testService]
		service.MaxResponseBody = 4000
		w.config.Services[testService] = service
		url, calls := counted(t, serve)
		s := w.pooled(func(p *Pool) { p.Failures = 2 }, url)
		for range 5 {
			w.relay(s, "POST")
		}
		if calls.Load() != 5 || s.ReadyFor(testService) != nil {
			t.Errorf("%s: %d of 5 relays reached the backend", name, calls.Load())
		}
	}
}

// Whatever becomes of a relay, its backend is given back.
func TestBackendsAreGivenBack(t *testing.T) {
	w := newWorld(t)
	url, _ := counted(t, func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Request.Header.Method()) {
		case "GET":
			hangUp(ctx)
		case "PUT":
			ctx.SetContentType("application/x-ndjson")
			ctx.SetBodyString("{}\n")
		case "PATCH":
			ctx.SetContentType("application/x-ndjson")
		case "DELETE":
			ctx.Error("", 200)
		default:
			ctx.SetBodyString("{}")
		}
	})
	s := w.pooled(func(p *Pool) { p.Failures = 1000 }, url)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(Port{Listener: ln}) }()
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "POST"} {
		in := jsonRPC("{}")
		in.Method = method
		res, err := http.Post("http://"+ln.Addr().String(), "", strings.NewReader(string(w.sign(w.request(in)))))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	r, _ := s.pipeline.routes.find(testService, RPCJSON)
	if n := r.backends.set.Members()[0].Pending(); n != 0 {
		t.Errorf("%d relays are pending when all are answered", n)
	}
}

func TestWebSocketsGoToAnotherBackend(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(echoes)
	alive := w.config.Services[testService].Backends[RPCWebSocket].Backends[0]
	w.config.Services[testService].Backends[RPCWebSocket] = Pool{
		RoundRobin: true, Retries: 1, Backends: []Backend{alive, {URL: "ws" + strings.TrimPrefix(closedPort(t), "http")}},
	}
	s, url := w.start()
	c := w.dial(url)
	c.send(c.frame("hello"))
	if res := c.next(); res.RelayMinerError != nil {
		t.Fatalf("refused: %v", res.RelayMinerError)
	}
	r, _ := s.pipeline.routes.find(testService, RPCWebSocket)
	if n := r.backends.set.Members()[0].Pending(); n != 1 {
		t.Errorf("the backend has %d WebSockets, want 1", n)
	}
	_ = c.conn.Close()
	await(t, "the WebSocket is not counted any more", func() bool { return r.backends.set.Members()[0].Pending() == 0 })
}

// await looks every millisecond until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("did not come: %s", what)
		}
	}
}

// checkedBy asks one backend as the check does.
func checkedBy(t *testing.T, rpcType RPCType, b Backend, h *HealthCheck) error {
	t.Helper()
	up, err := newUpstream(rpcType, b, Service{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return up.check(ctx, h)
}

func TestHTTPCheck(t *testing.T) {
	url, _ := counted(t, func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/base/health" && string(ctx.Request.Header.Peek("Authorization")) == "Bearer t" && string(ctx.Request.Header.Peek("X-Check")) == "1" {
			ctx.SetBodyString(string(ctx.Method()) + " " + string(ctx.Request.Header.ContentType()) + " " + string(ctx.PostBody()))
			return
		}
		ctx.Error("catching up", 429)
	})
	backend := Backend{URL: url + "/base", Authorization: "Bearer t"}
	for name, tc := range map[string]struct {
		check HealthCheck
		ok    bool
	}{
		"GET":               {HealthCheck{Path: "/health", Expect: "GET"}, true},
		"POST with a body":  {HealthCheck{Path: "/health", Body: "{}", Expect: "POST application/json {}"}, true},
		"method and type":   {HealthCheck{Path: "/health", Method: "PUT", Body: "x", ContentType: "text/plain", Expect: "PUT text/plain x"}, true},
		"another answer":    {HealthCheck{Path: "/health", Expect: "synced"}, false},
		"status":            {HealthCheck{Path: "/other"}, false},
		"a status expected": {HealthCheck{Path: "/other", Statuses: []int{429}}, true},
		"another status":    {HealthCheck{Path: "/health", Statuses: []int{204}}, false},
		"a climbing path":   {HealthCheck{Path: "/../health"}, false},
	} {
		tc.check.Headers = map[string]string{"X-Check": "1"}
		if err := checkedBy(t, RPCJSON, backend, &tc.check); (err == nil) != tc.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := checkedBy(t, RPCJSON, Backend{URL: closedPort(t)}, &HealthCheck{}); err == nil || errors.Is(err, errUnwell) {
		t.Errorf("nobody there: got %v", err)
	}
}

func TestWebSocketCheck(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(func(conn *websocket.Conn) { echoes(conn) })
	backend := w.config.Services[testService].Backends[RPCWebSocket].Backends[0]
	for name, tc := range map[string]struct {
		check HealthCheck
		ok    bool
	}{
		"handshake":      {HealthCheck{}, true},
		"frame":          {HealthCheck{Body: "ping", Expect: "ping"}, true},
		"another answer": {HealthCheck{Body: "ping", Expect: "pong"}, false},
	} {
		if err := checkedBy(t, RPCWebSocket, backend, &tc.check); (err == nil) != tc.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestGRPCCheck(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	state, server := health.NewServer(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(server.Stop)
	state.SetServingStatus("node", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	for service, ok := range map[string]bool{"": true, "node": false, "unknown": false} {
		if err := checkedBy(t, RPCGRPC, Backend{URL: "grpc://" + ln.Addr().String()}, &HealthCheck{Path: service}); (err == nil) != ok {
			t.Errorf("service %q: got %v", service, err)
		}
	}
}

func TestHeight(t *testing.T) {
	for name, tc := range map[string]struct {
		answer, field string
		want          uint64
		ok            bool
	}{
		"hex":                {`{"result":"0x1b4"}`, "result", 436, true},
		"text":               {`{"result":{"sync_info":{"latest_block_height":"77"}}}`, "result.sync_info.latest_block_height", 77, true},
		"number":             {`{"height":18446744073709551615}`, "height", 1<<64 - 1, true},
		"an error":           {`{"error":{"code":-32000}}`, "result", 0, false},
		"no number":          {`{"result":true}`, "result", 0, false},
		"negative":           {`{"result":-1}`, "result", 0, false},
		"too large":          {`{"result":"0x10000000000000000"}`, "result", 0, false},
		"a path to nowhere":  {`{"result":"0x1"}`, "result.number", 0, false},
		"a list":             {`[1]`, "result", 0, false},
		"no JSON":            {`<html>`, "result", 0, false},
		"an empty hex value": {`{"result":"0x"}`, "result", 0, false},
	} {
		got, err := height([]byte(tc.answer), tc.field)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%s: got %d, %v, want %d, %t", name, got, err, tc.want, tc.ok)
		}
	}
}

// The checks run, take out a node that lags and one that is unwell, and let them back.
func TestWatchBackends(t *testing.T) {
	w := newWorld(t)
	var heads [3]atomic.Int64
	var well atomic.Bool
	urls := make([]string, len(heads))
	for i := range heads {
		heads[i].Store(100)
		urls[i], _ = counted(t, func(ctx *fasthttp.RequestCtx) {
			if string(ctx.Path()) == "/health" && i == 1 && !well.Load() {
				ctx.Error("no", 500)
				return
			}
			fmt.Fprintf(ctx, `{"result":"0x%x"}`, heads[i].Load())
		})
	}
	heads[2].Store(90)
	s := w.pooled(func(p *Pool) {
		p.Health = &HealthCheck{Path: "/health", Interval: 5 * time.Millisecond, Timeout: 5 * time.Second, Failures: 2, Successes: 2}
		p.Freshness = &Freshness{RPCMethod: "eth_blockNumber", Field: "result", MaxLag: 5, Interval: 5 * time.Millisecond, Timeout: 5 * time.Second}
		p.Backends = []Backend{{URL: urls[0]}, {URL: urls[1]}, {URL: urls[2]}}
	}, urls...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() { s.WatchBackends(ctx); close(done) }()
	r, _ := s.pipeline.routes.find(testService, RPCJSON)
	states := func(want ...pool.Why) {
		t.Helper()
		await(t, fmt.Sprint("the backends are ", want), func() bool {
			var got []pool.Why
			for _, m := range r.backends.set.Members() {
				got = append(got, m.Out())
			}
			return slices.Equal(got, want)
		})
	}
	states(0, pool.Unhealthy, pool.Lagging)
	if refusal := w.relay(s, "POST"); refusal != nil {
		t.Error(refusal)
	}
	heads[2].Store(99)
	well.Store(true)
	states(0, 0, 0)
	cancel()
	<-done
}
