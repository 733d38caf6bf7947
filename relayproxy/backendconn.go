package relayproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// backendConn is a connection that can be found from the response read from it,
// through its local address. Streams need it: fasthttp sets one deadline for a
// whole response, while a stream may last as long as it keeps talking, and it
// reports the end of a chunked body and a connection that broke off alike.
type backendConn struct {
	net.Conn
	ended atomic.Bool
}

type backendAddr struct {
	net.Addr
	conn *backendConn
}

func dialBackend(addr string) (net.Conn, error) {
	conn, err := fasthttp.DialDualStackTimeout(addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &backendConn{Conn: conn}, nil
}

// Read notes that the backend has closed its side.
func (c *backendConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// LocalAddr is the connection's address, which leads back to it.
func (c *backendConn) LocalAddr() net.Addr { return backendAddr{c.Conn.LocalAddr(), c} }

// extend gives the backend until then to send more of a response.
func extend(res *fasthttp.Response, until time.Time) error {
	if addr, ok := res.LocalAddr().(backendAddr); ok {
		return addr.conn.SetReadDeadline(until)
	}
	return nil
}

// cutWith ends what is read of a response when ctx ends.
func (e *exchange) cutWith(ctx context.Context) {
	if addr, ok := e.res.LocalAddr().(backendAddr); ok {
		e.unwatch = context.AfterFunc(ctx, func() { _ = addr.conn.Close() })
	}
}

// brokeOff reports whether the connection ended before a chunked body did.
func brokeOff(res *fasthttp.Response) bool {
	addr, ok := res.LocalAddr().(backendAddr)
	return ok && res.Header.ContentLength() == -1 && addr.conn.ended.Load()
}
