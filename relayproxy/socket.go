package relayproxy

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Both sides of a bridge are asked for a sign of life, and given up without one.
const (
	pingEvery     = 20 * time.Second
	pongWait      = 60 * time.Second
	frameTimeout  = 10 * time.Second // to write one frame
	goodbyeWait   = time.Second
	maxCloseText  = 120 // bytes; a control frame takes 125
	socketBuffers = 4 << 10
)

// socket is a WebSocket that may be written to from several goroutines, and read
// from one.
type socket struct {
	conn  *websocket.Conn
	limit int        // bytes of a frame that is read
	mu    sync.Mutex // one writer at a time
}

func newSocket(conn *websocket.Conn, readLimit int) *socket {
	conn.SetReadLimit(int64(readLimit))
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = alive("") // a closed connection fails at its next use
	conn.SetPongHandler(alive)
	return &socket{conn: conn, limit: readLimit}
}

// read returns the next text or binary frame, whose bytes are counted in h as they
// come.
func (s *socket) read(h *held) (kind int, frame []byte, err error) {
	kind, from, err := s.conn.NextReader()
	if err == nil {
		frame, err = h.read(from, -1, s.limit)
	}
	if err == nil {
		err = s.conn.SetReadDeadline(time.Now().Add(pongWait))
	}
	return kind, frame, err
}

func (s *socket) write(kind int, frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	return s.conn.WriteMessage(kind, frame)
}

// keepAlive pings until ctx ends. What does not answer is noticed by read.
func (s *socket) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(frameTimeout)) != nil {
				return
			}
		}
	}
}

// sayClose tells the other side that this is the end, and gives it a moment to say
// the same: a connection that is closed with frames unread may lose our last words.
func (s *socket) sayClose(code int, text string) {
	message := websocket.FormatCloseMessage(code, text[:min(len(text), maxCloseText)])
	_ = s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(goodbyeWait)) // it may be gone
	_ = s.conn.SetReadDeadline(time.Now().Add(goodbyeWait))
}

// drain reads until the other side has closed, or its moment is over. Only the
// reader may call it.
func (s *socket) drain() {
	_ = s.conn.SetReadDeadline(time.Now().Add(goodbyeWait))
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			s.close()
			return
		}
	}
}

func (s *socket) close() { _ = s.conn.Close() }

// dialSocket opens a WebSocket to the backend, with what it is configured to send.
func (u *upstream) dialSocket(ctx context.Context, r *relay) (*websocket.Conn, error) {
	header := make(http.Header)
	if u.pocketHeaders {
		var pocket fasthttp.RequestHeader
		setPocketHeaders(&pocket, &r.req.Meta)
		for key, value := range pocket.All() {
			header.Set(string(key), string(value))
		}
	}
	u.identify(header.Set)
	return u.openSocket(ctx, header)
}

func (u *upstream) openSocket(ctx context.Context, header http.Header) (*websocket.Conn, error) {
	dialer := websocket.Dialer{
		HandshakeTimeout: dialTimeout, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		ReadBufferSize: socketBuffers, WriteBufferSize: socketBuffers,
	}
	conn, answer, err := dialer.DialContext(ctx, u.url, header)
	if answer != nil {
		_ = answer.Body.Close()
	}
	return conn, err
}
