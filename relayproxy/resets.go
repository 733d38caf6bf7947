package relayproxy

import (
	"bufio"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/time/rate"
)

// A call that its client takes back costs the client nothing, and the next may come at
// once (CVE-2023-44487). So many of a connection are free, more wait for what all
// connections together may have.
const (
	freeResets, freeResetsAtOnce = 10, 100 // a second
	moreResets, moreResetsAtOnce = 1000, 100
	longestPause                 = time.Second
)

func newResetBudget() *rate.Limiter { return rate.NewLimiter(moreResets, moreResetsAtOnce) }

// pacedConn reads the frames of a client no faster than its resets are allowed.
type pacedConn struct {
	net.Conn
	in       *bufio.Reader
	own, all *rate.Limiter
	head     [frameHeadBytes]byte // of the frame that is being read
	have     int                  // bytes of it
	skip     int                  // bytes until the next one
}

// frameHeadBytes: length, type, flags and stream of a frame (RFC 9113, section 4.1).
const frameHeadBytes = 9

func newPacedConn(conn net.Conn, all *rate.Limiter) *pacedConn {
	return &pacedConn{
		Conn: conn, in: bufio.NewReader(conn), own: rate.NewLimiter(freeResets, freeResetsAtOnce), all: all,
		skip: len(http2.ClientPreface),
	}
}

// Read implements net.Conn.
func (c *pacedConn) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	for range c.resets(b[:n]) {
		if !c.own.Allow() {
			pause(c.all)
		}
	}
	return n, err
}

// pause waits for a turn. Who waits longest takes none: debts would outlive a flood.
func pause(all *rate.Limiter) {
	turn := all.Reserve()
	delay := turn.Delay()
	if delay > longestPause {
		turn.Cancel()
	}
	time.Sleep(min(delay, longestPause))
}

// resets counts the frames that take a call back, among those that begin in b.
func (c *pacedConn) resets(b []byte) (count int) {
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip -= n
			b = b[n:]
			continue
		}
		n := copy(c.head[c.have:], b)
		c.have += n
		b = b[n:]
		if c.have < len(c.head) {
			break
		}
		c.have = 0
		c.skip = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
		if http2.FrameType(c.head[3]) == http2.FrameRSTStream {
			count++
		}
	}
	return count
}
