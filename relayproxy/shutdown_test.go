package relayproxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
)

// While it drains a relayer serves what still comes, on connections that end with
// the answer.
func TestDrainServesWhatStillComes(t *testing.T) {
	w := newWorld(t)
	s, url := w.start()
	s.Drain()
	if s.Ready() == nil {
		t.Error("ready while draining")
	}
	res := openStreamOf(t, url, w.signed("{}"))
	out := new(bytes.Buffer)
	if _, err := out.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	var relay servicetypes.RelayResponse
	if err := relay.Unmarshal(out.Bytes()); err != nil || relay.RelayMinerError != nil {
		t.Errorf("got %v, %v, want an answer", relay.RelayMinerError, err)
	}
	if !res.Close {
		t.Error("the connection stays open")
	}
}

func TestDrainTakesWebSockets(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(echoes)
	s, url := w.start()
	s.Drain()
	c := w.dial(url)
	c.send(c.frame("a"))
	if res := c.next(); res.RelayMinerError != nil {
		t.Errorf("refused: %v", res.RelayMinerError)
	}
}

// A client whose connection was accepted just before the port closed is served.
func TestShutdownServesWhoIsAboutToAsk(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := &countingListener{Listener: ln, accepted: make(chan struct{}, 1)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(Port{Listener: accepted}) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-accepted.accepted
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for { // until the port is closed
		probe, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		_ = probe.Close()
	}
	body := w.signed("{}")
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("not answered: %v", err)
	}
	_ = res.Body.Close()
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if got := len(w.stream.published()); got != 1 {
		t.Errorf("%d relays were published, want 1", got)
	}
}

type countingListener struct {
	net.Listener
	accepted chan struct{}
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		select {
		case l.accepted <- struct{}{}:
		default:
		}
	}
	return conn, err
}

// A slow relay does not keep the news from WebSockets.
func TestShutdownTellsWebSocketsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(echoes)
	upgrade := w.backend.serve
	working, release := make(chan struct{}), make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		if websocket.FastHTTPIsWebSocketUpgrade(ctx) {
			upgrade(ctx)
			return
		}
		close(working)
		<-release
		ctx.SetBodyString("late")
	})
	s, url := w.start()
	c := w.dial(url)
	c.send(c.frame("a"))
	c.next()
	answered := make(chan error, 1)
	go func() {
		res, err := http.Post(url, "", bytes.NewReader(w.signed("{}")))
		if err == nil {
			_ = res.Body.Close()
		}
		answered <- err
	}()
	<-working
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if code, _ := c.closed(); code != websocket.CloseGoingAway {
		t.Errorf("closed with %d, want %d", code, websocket.CloseGoingAway)
	}
	if _, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil); err == nil {
		t.Errorf("a WebSocket was opened during shutdown: %v", res)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// A stream that outlasts the patience of shutdown ends with a word about it.
func TestShutdownEndsStreams(t *testing.T) {
	w := newWorld(t)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/event-stream")
		ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
			_, _ = out.WriteString("data: 1\n\n")
			_ = out.Flush()
			<-never
		})
	})
	s, url := w.start()
	body := bufio.NewReader(openStreamOf(t, url, w.signed("{}")).Body)
	if chunk := readChunk(t, body); chunk.RelayMinerError != nil {
		t.Fatal(chunk.RelayMinerError)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctx) }()
	if chunk := readChunk(t, body); chunk.RelayMinerError == nil || !strings.Contains(chunk.RelayMinerError.Message, "shutting down") {
		t.Errorf("the stream ended with %v", chunk.RelayMinerError)
	}
	if err := <-down; err != nil {
		t.Errorf("shut down: %v", err)
	}
}

func TestServeAfterShutdownReturns(t *testing.T) {
	s := newWorld(t).server()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(Port{Listener: ln}) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("serves after it was shut down")
	}
}
