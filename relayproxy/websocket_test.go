package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"

	"github.com/raftminer/raftminer/ingest"
)

const socketPatience = 10 * time.Second

// socketBackend lets talk speak with every client that comes.
func (w *world) socketBackend(talk func(conn *websocket.Conn)) {
	w.backend.serve = func(ctx *fasthttp.RequestCtx) {
		upgrader := websocket.FastHTTPUpgrader{}
		if err := upgrader.Upgrade(ctx, talk); err != nil {
			w.t.Errorf("backend: %v", err)
		}
	}
	service := w.config.Services[testService]
	service.Backends[RPCWebSocket] = one("ws" + strings.TrimPrefix(w.backend.url, "http"))
}

// echoes sends every frame back.
func echoes(conn *websocket.Conn) {
	for {
		kind, frame, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, frame) != nil {
			return
		}
	}
}

// client is a gateway's end of a bridge.
type client struct {
	*world
	conn *websocket.Conn
}

func (w *world) dial(url string) *client {
	w.t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: w.trust}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http"), http.Header{
		"Rpc-Type": {"2"}, "Target-Service-Id": {testService}, "App-Address": {w.app},
	})
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &client{w, conn}
}

// frame is a signed request whose payload is sent as it is.
func (w *world) frame(payload string) []byte {
	req := w.request(jsonRPC(""))
	req.Payload = []byte(payload)
	return w.sign(req)
}

func (c *client) send(frame []byte) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// next is the next answer, which must be signed unless it is a refusal.
func (c *client) next() *servicetypes.RelayResponse {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(socketPatience))
	_, frame, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	res := new(servicetypes.RelayResponse)
	if err := res.Unmarshal(frame); err != nil {
		c.t.Fatalf("decode %q: %v", frame, err)
	}
	if res.RelayMinerError == nil {
		if err := res.VerifySupplierOperatorSignature(c.supplier.PubKey()); err != nil {
			c.t.Errorf("signature: %v", err)
		}
	}
	return res
}

// closed is the code that the connection ends with, after any answers.
func (c *client) closed() (code int, refusal *servicetypes.RelayMinerError) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(socketPatience))
	for {
		_, frame, err := c.conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code, refusal
		}
		if err != nil {
			c.t.Fatalf("ended without a close code: %v", err)
		}
		res := new(servicetypes.RelayResponse)
		if err := res.Unmarshal(frame); err != nil {
			c.t.Fatal(err)
		}
		refusal = res.RelayMinerError
	}
}

func leafOf(t *testing.T, m ingest.MinedRelay) *servicetypes.Relay {
	t.Helper()
	relay := new(servicetypes.Relay)
	if err := relay.Unmarshal(m.Relay); err != nil {
		t.Fatal(err)
	}
	return relay
}

// Requests are answered and events pushed; each is a relay of its own.
func TestWebSocketServesRequestsAndPushes(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(func(conn *websocket.Conn) {
		for {
			kind, frame, err := conn.ReadMessage()
			if err != nil {
				return
			}
			answers := []string{fmt.Sprintf("echo %s", frame)}
			if strings.Contains(string(frame), "subscribe") {
				answers = []string{`{"id":1,"result":"s"}`, `{"method":"event","params":{"n":1}}`, `{"method":"event","params":{"n":2}}`}
			}
			for _, a := range answers {
				if conn.WriteMessage(kind, []byte(a)) != nil {
					return
				}
			}
		}
	})
	_, url := w.start()
	c := w.dial(url)
	c.send(w.frame(`plain`))
	if got := string(c.next().Payload); got != "echo plain" {
		t.Errorf("got %q", got)
	}
	c.send(w.frame(`{"id":1,"method":"subscribe"}`))
	for _, want := range []string{`"result":"s"`, `"n":1`, `"n":2`} {
		if got := string(c.next().Payload); !strings.Contains(got, want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	published := w.stream.published()
	if len(published) != 4 {
		t.Fatalf("%d relays were published, want 4", len(published))
	}
	for _, m := range published[1:] {
		if relay := leafOf(t, m); !strings.Contains(string(relay.Req.Payload), "subscribe") || relay.Res.Payload != nil {
			t.Errorf("leaf of %q, response payload %q", relay.Req.Payload, relay.Res.Payload)
		}
	}
}

// Answers that come in another order are paired with their own requests.
func TestWebSocketPairsPipelinedRequests(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(func(conn *websocket.Conn) {
		var kind int
		for range 2 {
			var err error
			if kind, _, err = conn.ReadMessage(); err != nil {
				return
			}
		}
		for _, id := range []int{2, 1} {
			_ = conn.WriteMessage(kind, fmt.Appendf(nil, `{"id":%d,"result":"r%d"}`, id, id))
		}
		echoes(conn)
	})
	_, url := w.start()
	c := w.dial(url)
	c.send(w.frame(`{"id":1,"method":"first"}`))
	c.send(w.frame(`{"id":2,"method":"second"}`))
	c.next()
	c.next()
	for i, want := range []string{"second", "first"} {
		if relay := leafOf(t, w.stream.published()[i]); !strings.Contains(string(relay.Req.Payload), want) {
			t.Errorf("answer %d is paired with %s, want %s", i, relay.Req.Payload, want)
		}
	}
}

func TestWebSocketEnds(t *testing.T) {
	tests := map[string]struct {
		prepare func(w *world)
		act     func(t *testing.T, c *client, s *Server)
		want    int
		refused bool
		mined   int
	}{
		"a frame that is no request": {
			act:  func(_ *testing.T, c *client, _ *Server) { c.send([]byte("junk")) },
			want: closeInvalid, refused: true,
		},
		"a forged request": {
			act: func(_ *testing.T, c *client, _ *Server) {
				req := c.request(jsonRPC(""))
				req.Payload, req.Meta.Signature = []byte("x"), []byte("forged")
				c.send(marshal(c.t, req))
			},
			want: closeInvalid, refused: true,
		},
		"another supplier": {
			act: func(t *testing.T, c *client, _ *Server) {
				c.send(c.frame("a"))
				c.next()
				req := c.request(jsonRPC(""))
				req.Meta.SupplierOperatorAddress = address(t, "somebody")
				c.send(c.sign(req))
			},
			want: closeInvalid, refused: true, mined: 1,
		},
		"the session is over": {
			prepare: func(w *world) { w.chain.blocks = make(chan int64, 1) },
			act: func(_ *testing.T, c *client, _ *Server) {
				c.send(c.frame("a"))
				c.next()
				c.chain.blocks <- claimOpen
			},
			want: closeSessionExpired, mined: 1,
		},
		"the backend is away": {
			prepare: func(w *world) {
				w.config.Services[testService].Backends[RPCWebSocket] = one("ws://127.0.0.1:1")
			},
			act:  func(_ *testing.T, c *client, _ *Server) { c.send(c.frame("a")) },
			want: closeBackend, refused: true,
		},
		"the backend hangs up": {
			prepare: func(w *world) {
				w.socketBackend(func(conn *websocket.Conn) { _, _, _ = conn.ReadMessage() })
			},
			act:  func(_ *testing.T, c *client, _ *Server) { c.send(c.frame("a")) },
			want: closeBackend,
		},
		"the relay cannot be recorded": {
			prepare: func(w *world) { w.stream.err = errors.New("redis is away") },
			act:     func(_ *testing.T, c *client, _ *Server) { c.send(c.frame("a")) },
			want:    closeInternal, refused: true,
		},
		"the session is closed for rewards": {
			prepare: func(w *world) { w.stream.err = ingest.ErrSessionClosed },
			act:     func(_ *testing.T, c *client, _ *Server) { c.send(c.frame("a")) },
			want:    closeSessionExpired, refused: true,
		},
		"the server shuts down": {
			act: func(t *testing.T, c *client, s *Server) {
				c.send(c.frame("a"))
				c.next()
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), socketPatience)
					defer cancel()
					if err := s.Shutdown(ctx); err != nil {
						t.Errorf("shut down: %v", err)
					}
				}()
			},
			want: websocket.CloseGoingAway, mined: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.socketBackend(echoes)
			if test.prepare != nil {
				test.prepare(w)
			}
			s, url := w.start()
			c := w.dial(url)
			test.act(t, c, s)
			code, refusal := c.closed()
			if code != test.want || (refusal != nil) != test.refused {
				t.Errorf("closed with %d, refusal %v; want %d, %t", code, refusal, test.want, test.refused)
			}
			if got := len(w.stream.published()); got != test.mined {
				t.Errorf("%d relays were published, want %d", got, test.mined)
			}
		})
	}
}

func TestWebSocketHandshakeOfAnUnknownService(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(echoes)
	_, url := w.start()
	for _, name := range handshakeService {
		_, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), http.Header{name: {"nobody"}})
		if err == nil || res == nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %v, %v, want 400", name, res, err)
		}
	}
}

func TestPairs(t *testing.T) {
	ask := func(p *pairs, payload string) *relay {
		r := &relay{}
		r.req.Payload = []byte(payload)
		if refusal := p.ask(r); refusal != nil {
			t.Fatal(refusal)
		}
		return r
	}
	tests := map[string]struct {
		asked  []string
		answer string
		want   int // index of what was asked
	}{
		"by id":                  {[]string{`{"id":1,"method":"a"}`, `{"id":2,"method":"b"}`}, `{"id":1,"result":0}`, 0},
		"by text id":             {[]string{`{"id":"x","method":"a"}`, `{"id":"y","method":"b"}`}, `{"id":"x","error":{}}`, 0},
		"unknown id":             {[]string{`{"id":1,"method":"a"}`, `{"id":2,"method":"b"}`}, `{"id":9,"result":0}`, 1},
		"event":                  {[]string{`{"id":1,"method":"a"}`, `{"id":2,"method":"b"}`}, `{"method":"event"}`, 1},
		"event with a null id":   {[]string{`{"id":1,"method":"a"}`, `{"id":2,"method":"b"}`}, `{"id":null,"method":"event"}`, 1},
		"no JSON, in order":      {[]string{"a", "b"}, "c", 0},
		"batch in another order": {[]string{`[{"id":1},{"id":2}]`, `{"id":3}`}, `[{"id":2},{"id":1}]`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := pairs{held: (&admission{maxMemory: 1 << 20}).hold()}
			var asked []*relay
			for _, a := range test.asked {
				asked = append(asked, ask(&p, a))
			}
			if got := p.answer([]byte(test.answer)); got != asked[test.want] {
				t.Errorf("got %q, want %q", got.req.Payload, test.asked[test.want])
			}
		})
	}
	p := pairs{held: (&admission{maxMemory: 1 << 20}).hold()}
	for i := range 2 * maxPending {
		ask(&p, fmt.Sprintf(`{"id":%d,"method":"a"}`, i))
	}
	if len(p.pending) != maxPending {
		t.Errorf("%d requests are kept, want %d", len(p.pending), maxPending)
	}
	if n := int(p.held.of.bytes.Load()); n != p.bytes {
		t.Errorf("%d bytes are counted, want %d", n, p.bytes)
	}
	p.end()
	if n := p.held.of.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are counted in the end", n)
	}
}
