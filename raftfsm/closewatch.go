package raftfsm

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// errMuted is what raft hears of a network that was cut.
var errMuted = errors.New("raft connections are cut")

// closeWatch wraps a stream layer for two things that the raft library does not
// do: it notices at once when a peer's connection closes, and it can cut all
// connections, so that peers elect another leader while this process still hangs
// in a system call.
type closeWatch struct {
	raft.StreamLayer
	peerClosed func() // an inbound connection ended; must not block

	mu    sync.Mutex
	muted bool
	conns map[net.Conn]struct{}
}

func newCloseWatch(inner raft.StreamLayer, peerClosed func()) *closeWatch {
	return &closeWatch{StreamLayer: inner, peerClosed: peerClosed, conns: make(map[net.Conn]struct{})}
}

// Accept implements net.Listener.
func (w *closeWatch) Accept() (net.Conn, error) {
	conn, err := w.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	return w.track(conn, w.peerClosed)
}

// Dial implements raft.StreamLayer.
func (w *closeWatch) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	if w.isMuted() { // do not even knock: peers watch for connections that end
		return nil, errMuted
	}
	conn, err := w.StreamLayer.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	return w.track(conn, func() {})
}

// mute closes every connection and the listener, and refuses new ones.
func (w *closeWatch) mute() {
	w.mu.Lock()
	w.muted = true
	conns := w.conns
	w.conns = make(map[net.Conn]struct{})
	w.mu.Unlock()
	for conn := range conns {
		_ = conn.Close() // cutting is best effort
	}
	_ = w.StreamLayer.Close()
}

func (w *closeWatch) isMuted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.muted
}

func (w *closeWatch) track(conn net.Conn, ended func()) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.muted {
		_ = conn.Close()
		return nil, errMuted
	}
	w.conns[conn] = struct{}{}
	return &watchedConn{Conn: conn, watch: w, ended: ended}, nil
}

func (w *closeWatch) untrack(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, conn)
}

// watchedConn tells when the other side has gone.
type watchedConn struct {
	net.Conn
	watch *closeWatch
	ended func()
	once  sync.Once
}

// Read implements net.Conn.
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
		c.once.Do(c.ended)
	}
	return n, err
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.watch.untrack(c.Conn)
	return c.Conn.Close()
}
