package relayproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

// lookEvery is how often somebody looks after the client of a relay that lasts. Most
// relays are over before the first time.
const lookEvery = 200 * time.Millisecond

// errHungUp ends the context of a relay whose client has gone.
var errHungUp = errors.New("the client hung up")

// untilHangUp is a context that ends when the other side of a connection has closed
// it, which fasthttp does not notice while a handler runs. Nothing is read: the
// socket is asked. The caller must call done.
func untilHangUp(parent context.Context, conn net.Conn) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(parent)
	socket := socketOf(conn)
	if socket == nil {
		return ctx, func() { cancel(nil) }
	}
	var timer *time.Timer
	timer = time.AfterFunc(math.MaxInt64, func() {
		switch {
		case ctx.Err() != nil:
		case hungUp(socket):
			cancel(errHungUp)
		default:
			timer.Reset(lookEvery)
		}
	})
	timer.Reset(lookEvery) // now that it has a name
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// socketOf is the socket below, nil if there is none.
func socketOf(conn net.Conn) syscall.Conn {
	if sniffed, ok := conn.(*sniffedConn); ok {
		conn = sniffed.Conn
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if passed, ok := conn.(*proxyproto.Conn); ok {
		conn = passed.Raw()
	}
	socket, _ := conn.(syscall.Conn)
	return socket
}

// refuseEnded is the refusal of a relay that ended with its context.
func refuseEnded(ctx context.Context, refusal *Refusal) *Refusal {
	switch {
	case errors.Is(context.Cause(ctx), errGoingAway):
		return refuseFor(ReasonChain, refusal, "shutting down")
	case errors.Is(ctx.Err(), context.Canceled):
		return refuseFor(ReasonClientGone, refusal, "the client hung up")
	}
	return refusal
}
