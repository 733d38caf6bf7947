package raftfsm

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// simNet is a network in memory. It works in fake time, and any direction of any
// link can be cut: bytes then vanish without a word, as with a pulled cable.
type simNet struct {
	mu        sync.Mutex
	listeners map[string]*simStream
	cut       map[[2]string]bool // from, to
	mute      string             // whose log entries nobody gets
}

var errNoRoute = errors.New("no route to host")

func newSimNet() *simNet {
	return &simNet{listeners: make(map[string]*simStream), cut: make(map[[2]string]bool)}
}

// setCut cuts or mends both directions between two addresses.
func (n *simNet) setCut(from, to string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{from, to}] = cut
}

func (n *simNet) isCut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]string{from, to}]
}

// setMute loses the log entries that a node sends, and nothing else.
func (n *simNet) setMute(from string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute = from
}

// loses reports whether a message does not arrive. Raft sends its entries with the
// names of their fields.
func (n *simNet) loses(from, to string, message []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]string{from, to}] || n.mute == from && bytes.Contains(message, []byte("AppendedAt"))
}

func (n *simNet) listen(addr string) *simStream {
	s := &simStream{net: n, addr: addr, accept: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = s
	return s
}

// simStream is one node's end of the network.
type simStream struct {
	net    *simNet
	addr   string
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (s *simStream) Addr() net.Addr { return advertised(s.addr) }

func (s *simStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *simStream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.accept:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *simStream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	s.net.mu.Lock()
	peer := s.net.listeners[string(to)]
	s.net.mu.Unlock()
	if peer == nil || s.net.isCut(s.addr, string(to)) || s.net.isCut(string(to), s.addr) {
		time.Sleep(timeout) // in fake time: nobody answers
		return nil, errNoRoute
	}
	mine, theirs := net.Pipe()
	select {
	case peer.accept <- &simConn{Conn: theirs, net: s.net, from: string(to), to: s.addr}:
		return &simConn{Conn: mine, net: s.net, from: s.addr, to: string(to)}, nil
	case <-peer.closed:
		return nil, errNoRoute
	case <-time.After(timeout):
		return nil, errNoRoute
	}
}

// simConn loses what is written while its link is cut.
type simConn struct {
	net.Conn
	net      *simNet
	from, to string
}

func (c *simConn) Write(b []byte) (int, error) {
	if c.net.loses(c.from, c.to, b) {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
