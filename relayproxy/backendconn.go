package relayproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// backendConn notes that its backend has closed its side: fasthttp reports the end
// of a chunked body and a connection that broke off alike.
type backendConn struct {
	net.Conn
	ended atomic.Bool
}

func dialBackend(addr string) (net.Conn, error) {
	conn, err := fasthttp.DialDualStackTimeout(addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	return &backendConn{Conn: conn}, nil
}

// Read implements net.Conn.
func (c *backendConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// hasEnded reports whether the backend has closed its side of conn.
func hasEnded(conn net.Conn) bool {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*backendConn)
	return ok && c.ended.Load()
}

// send sends the request and reads the answer's header, on a connection of the
// client's pool that ctx cuts, and that goes back there only if the answer is read to
// its end: fasthttp's own Do knows neither. A read is tried twice: a pooled connection
// may have been closed meanwhile. Anything else may have had an effect.
func (e *exchange) send(ctx context.Context, client *fasthttp.HostClient, deadline time.Time) error {
	err := e.sendOnce(ctx, client, deadline)
	if err != nil && e.giveBack != nil && e.isRead() && ctx.Err() == nil {
		e.endCall()
		err = e.sendOnce(ctx, client, deadline)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF):
		return fasthttp.ErrConnectionClosed
	}
	return err
}

func (e *exchange) sendOnce(ctx context.Context, client *fasthttp.HostClient, deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return fasthttp.ErrTimeout
	}
	cc, err := client.AcquireConn(left, false)
	if err != nil {
		return err
	}
	conn := cc.Conn()
	answer := client.AcquireReader(conn)
	e.conn = conn
	e.giveBack = func(reuse bool) {
		client.ReleaseReader(answer)
		if reuse {
			client.ReleaseConn(cc)
		} else {
			client.CloseConn(cc)
		}
	}
	e.unwatch = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	request := client.AcquireWriter(conn)
	err = e.req.Write(request)
	if err == nil {
		err = request.Flush()
	}
	client.ReleaseWriter(request)
	if err != nil {
		return err
	}
	e.res.Reset()
	e.res.StreamBody, e.res.SkipBody = true, e.req.Header.IsHead()
	return e.res.ReadLimitBody(answer, 1) // leaves what is longer where it is
}

// endCall gives up the connection, or back to the pool.
func (e *exchange) endCall() {
	if e.giveBack == nil {
		return
	}
	uncut := e.unwatch()
	// The error would be that of the connection.
	_ = e.res.CloseBodyStream()
	e.giveBack(uncut && e.whole && !e.res.ConnectionClose() && !e.req.ConnectionClose() && !hasEnded(e.conn))
	e.giveBack = nil
}

// brokeOff reports whether the connection ended before a chunked body did.
func (e *exchange) brokeOff() bool {
	return e.res.Header.ContentLength() == -1 && hasEnded(e.conn)
}
