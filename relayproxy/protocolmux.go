package relayproxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// How long a connection may take to say what it speaks, and how long when the
// port is closed: a client that was accepted is about to ask something.
const (
	sniffTime = 10 * time.Second
	lastSniff = time.Second
)

// acceptPause is how long a port waits when it cannot accept, as when the process has
// no file left for another connection.
const acceptPause = 50 * time.Millisecond

// protocolMux is one port for HTTP/1.1 and gRPC: the first bytes of a connection
// decide.
type protocolMux struct {
	net.Listener
	tls          *tls.Config // nil: none
	takes        Protocol
	bounds       *connections
	greeted      map[greeting]prometheus.Counter
	http1, http2 protocolListener
	sniffing     sync.WaitGroup
	done         chan struct{}
	once         sync.Once
}

func newProtocolMux(p Port, bounds *connections) *protocolMux {
	m := &protocolMux{Listener: p.Listener, tls: p.tls(), takes: p.Protocol, bounds: bounds, done: make(chan struct{})}
	m.greeted = bounds.greetedOn(p.Name)
	m.http1 = protocolListener{mux: m, conns: make(chan net.Conn)}
	m.http2 = protocolListener{mux: m, conns: make(chan net.Conn)}
	return m
}

// run takes connections until the listener closes, and closes both protocols when
// the last of them is handed over.
func (m *protocolMux) run() {
	for {
		conn, err := m.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			m.bounds.refused.WithLabelValues("system").Inc()
			time.Sleep(acceptPause)
			continue
		}
		visit, ok := m.bounds.enter()
		if !ok {
			_ = conn.Close()
			continue
		}
		m.sniffing.Add(1)
		go m.sniff(&sniffedConn{Conn: conn, visit: visit})
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
	found := m.greet(conn)
	if found == greetCrowd {
		_ = conn.Close()
		return
	}
	m.greeted[found].Inc()
	var to chan net.Conn // nil: nobody takes it
	switch found {
	case greetHTTP:
		to = m.http1.conns
	case greetGRPC:
		to = m.http2.conns
	default:
		_ = conn.Close()
		return
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
