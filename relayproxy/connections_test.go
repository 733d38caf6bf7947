package relayproxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Connections over a limit are closed at once, and make room when they end.
func TestConnectionsAreBounded(t *testing.T) {
	for limit, set := range map[string]func(l *Limits){
		"all":     func(l *Limits) { l.MaxConnections = 3 },
		"address": func(l *Limits) { l.MaxConnectionsPerAddress = 3 },
	} {
		t.Run(limit, func(t *testing.T) {
			w := newWorld(t)
			set(&w.config.Limits)
			s, url := w.start()
			dial := func() net.Conn {
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
				return conn
			}
			var held []net.Conn
			for range 3 {
				held = append(held, dial())
			}
			waitFor(t, func() bool { return s.connections.count() == 3 })
			if _, err := dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("one too many: %v, want the end", err)
			}
			if n := testutil.ToFloat64(s.connections.refused.WithLabelValues(limit)); n != 1 {
				t.Errorf("%v connections were refused, want 1", n)
			}
			_ = held[0].Close()
			waitFor(t, func() bool { return s.connections.count() == 2 })
			if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
				t.Errorf("with room: %v", res.RelayMinerError)
			}
			for _, conn := range held[1:] {
				_ = conn.Close()
			}
			waitFor(t, func() bool { return s.connections.count() <= 1 }) // the client that posted may keep its own
		})
	}
}

func TestNeighbourhoods(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:80":           "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":  "192.0.2.1/32",
		"[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64",
		"[fe80::1%lo]:80":        "fe80::/64",
	} {
		addr, err := net.ResolveTCPAddr("tcp", from)
		if err != nil {
			t.Fatal(err)
		}
		if got := neighbourhood(addr).String(); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

// One WebSocket too many is refused at its handshake, and there is room again when
// another has closed.
func TestWebSocketsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.socketBackend(echoes)
	w.config.Limits.MaxWebSockets = 2
	s, url := w.start()
	first := w.dial(url)
	w.dial(url)
	_, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("got %v, %v, want 429", res, err)
	}
	if n := rejections(s, ReasonOverloaded); n != 1 {
		t.Errorf("%v handshakes were refused, want 1", n)
	}
	_ = first.conn.Close()
	waitFor(t, func() bool {
		s.sockets.mu.Lock()
		defer s.sockets.mu.Unlock()
		return s.sockets.count == 1
	})
	c := w.dial(url)
	c.send(c.frame("hello"))
	if got := string(c.next().Payload); got != "hello" {
		t.Errorf("got %q", got)
	}
}
