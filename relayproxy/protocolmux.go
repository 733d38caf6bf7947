package relayproxy

import (
	"io"
	"net"
	"sync"
	"time"
)

// How long a connection may take to say what it speaks, and how long when the
// port is closed: a client that was accepted is about to ask something.
const (
	sniffTime = 10 * time.Second
	lastSniff = time.Second
)

// http2Preface begins every HTTP/2 connection in the clear, and no HTTP/1 request
// (RFC 9113, section 3.4).
const http2Preface = "PRI"

// protocolMux is one port for HTTP/1.1 and gRPC: the first bytes of a connection
// decide.
type protocolMux struct {
	net.Listener
	bounds       *connections
	http1, http2 protocolListener
	sniffing     sync.WaitGroup
	done         chan struct{}
	once         sync.Once
}

func newProtocolMux(ln net.Listener, bounds *connections) *protocolMux {
	m := &protocolMux{Listener: ln, bounds: bounds, done: make(chan struct{})}
	m.http1 = protocolListener{mux: m, conns: make(chan net.Conn)}
	m.http2 = protocolListener{mux: m, conns: make(chan net.Conn)}
	return m
}

// run takes connections until the listener closes, and closes both protocols when
// the last of them is handed over.
func (m *protocolMux) run() {
	for {
		conn, err := m.Listener.Accept()
		if err != nil {
			break
		}
		leave, ok := m.bounds.enter(conn)
		if !ok {
			_ = conn.Close()
			continue
		}
		m.sniffing.Add(1)
		go m.sniff(&sniffedConn{Conn: conn, leave: leave})
	}
	handed := make(chan struct{})
	go func() { m.sniffing.Wait(); close(handed) }()
	select {
	case <-handed:
	case <-time.After(lastSniff):
	case <-m.done:
	}
	_ = m.Close()
}

func (m *protocolMux) sniff(conn *sniffedConn) {
	defer m.sniffing.Done()
	first := make([]byte, len(http2Preface))
	_ = conn.SetReadDeadline(time.Now().Add(sniffTime)) // a closed connection fails at the read
	if _, err := io.ReadFull(conn, first); err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	conn.first = first
	to := m.http1.conns
	if string(first) == http2Preface {
		to = m.http2.conns
	}
	select {
	case to <- conn:
	case <-m.done:
		_ = conn.Close()
	}
}

// Close stops both protocols.
func (m *protocolMux) Close() error {
	var err error
	m.once.Do(func() {
		close(m.done)
		err = m.Listener.Close()
	})
	return err
}

// protocolListener hands out the connections of one protocol.
type protocolListener struct {
	mux   *protocolMux
	conns chan net.Conn
}

// Accept implements net.Listener.
func (l protocolListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.mux.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l protocolListener) Close() error { return l.mux.Close() }

// Addr implements net.Listener.
func (l protocolListener) Addr() net.Addr { return l.mux.Addr() }

// sniffedConn gives back the bytes that were looked at.
type sniffedConn struct {
	net.Conn
	first []byte
	leave func() // once
}

// Close implements net.Conn.
func (c *sniffedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Read implements net.Conn.
func (c *sniffedConn) Read(b []byte) (int, error) {
	if len(c.first) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.first)
	c.first = c.first[n:]
	return n, nil
}
