package relayproxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
)

// A client that hangs up ends what its backend does for it, and pays nothing.
func TestAClientThatHangsUp(t *testing.T) {
	overHTTP := func(w *world, url string, body []byte, working <-chan struct{}) {
		conn := w.write(url, body)
		<-working
		_ = conn.Close()
	}
	for name, leave := range map[string]func(w *world, url string, body []byte, working <-chan struct{}){
		"http":  overHTTP,
		"https": overHTTP,
		"grpc": func(w *world, url string, body []byte, working <-chan struct{}) {
			ctx, cancel := context.WithCancel(context.Background())
			go func() { <-working; cancel() }()
			if _, err := w.callContext(ctx, url, body, "3"); err == nil {
				w.t.Error("a call that was cancelled was answered")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if name == "https" {
				w.secure(ProtocolAny)
			}
			working, cut := make(chan struct{}), make(chan struct{})
			w.backend.handle(func(ctx *fasthttp.RequestCtx) {
				close(working)
				var b [1]byte
				_, _ = ctx.Conn().Read(b[:]) // until the relayer closes
				close(cut)
			})
			service := w.config.Services[testService]
			service.Timeout = time.Minute
			w.config.Services[testService] = service
			s, url := w.start()
			leave(w, url, w.signed("hello"), working)
			select {
			case <-cut:
			case <-time.After(30 * time.Second):
				t.Fatal("the backend still works for a client that has gone")
			}
			w.checkCharged(0)
			if n := len(w.stream.published()); n != 0 {
				t.Errorf("%d relays were published, want 0", n)
			}
			waitFor(t, func() bool { return rejections(s, ReasonClientGone) == 1 && s.pipeline.admission.relays.Load() == 0 })
			if m := s.pipeline.routes[testService][RPCJSON].backends.set; m.In() != 1 {
				t.Error("the backend was taken out for what its client did")
			}
		})
	}
}

// A stream nobody reads ends although its backend says nothing.
func TestAClientThatHangsUpOnASilentStream(t *testing.T) {
	w := newWorld(t)
	cut := make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
			var b [1]byte
			_, _ = c.Read(b[:])
			close(cut)
		})
	})
	_, url := w.start()
	conn := w.write(url, w.signed("hello"))
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	select {
	case <-cut:
	case <-time.After(30 * time.Second):
		t.Fatal("the stream goes on without a client")
	}
}

// write sends a relay as HTTP/1.1 on a connection of its own.
func (w *world) write(url string, body []byte) net.Conn {
	w.t.Helper()
	conn, err := w.connect(url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// An answer that was not read to its end leaves nothing on its connection that the
// next relay could take for its own answer.
func TestAnUnreadAnswerIsNotTheNext(t *testing.T) {
	for name, huge := range map[string]func(ctx *fasthttp.RequestCtx){
		"length told": func(ctx *fasthttp.RequestCtx) { ctx.SetBody(make([]byte, 50_000)) },
		"chunked": func(ctx *fasthttp.RequestCtx) {
			ctx.SetBodyStreamWriter(func(out *bufio.Writer) { _, _ = out.Write(make([]byte, 50_000)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			echo := w.backend.serve
			w.backend.handle(func(ctx *fasthttp.RequestCtx) {
				if strings.Contains(string(ctx.PostBody()), "huge") {
					huge(ctx)
					return
				}
				echo(ctx)
			})
			service := w.config.Services[testService]
			service.MaxResponseBody = 4000
			w.config.Services[testService] = service
			_, url := w.start()
			for range 3 {
				if _, res := post(t, url, w.signed("huge")); res.GetRelayMinerError().GetCode() != 12 {
					t.Errorf("got %v, want relayer_proxy 12", res.RelayMinerError)
				}
				if _, res := post(t, url, w.signed("hello")); string(answerBody(t, res)) != "echo:hello" {
					t.Errorf("got %q, %v", res.Payload, res.RelayMinerError)
				}
			}
		})
	}
}

func answerBody(t *testing.T, res *servicetypes.RelayResponse) []byte {
	t.Helper()
	if res.RelayMinerError != nil {
		return nil
	}
	return backendAnswer(t, res).BodyBz
}

// waitFor fails the test unless done comes true.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("gave up waiting")
		}
	}
}

// silentConn is a connection that nothing happens on.
type silentConn struct{ net.Conn }

func (silentConn) SetReadDeadline(time.Time) error { return nil }
