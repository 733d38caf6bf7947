package relayproxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// http2Preface begins every HTTP/2 connection in the clear, and no HTTP/1 request
// (RFC 9113, section 3.4).
const http2Preface = "PRI"

// greeting is what a connection turned out to be: the value of a label.
type greeting string

const (
	greetHTTP   greeting = "http"
	greetGRPC   greeting = "grpc"
	greetSilent greeting = "silent" // it said nothing in time, or hung up: balancers look like that
	greetNoTLS  greeting = "no_tls" // its handshake failed
	greetOther  greeting = "other"  // it speaks what the port does not take
	greetCrowd  greeting = ""       // too many of its address: counted as refused
)

// greet finds out where a connection comes from and what it speaks, after the handshake
// if there is TLS.
func (m *protocolMux) greet(conn *sniffedConn) greeting {
	_ = conn.SetDeadline(time.Now().Add(sniffTime)) // a closed connection fails at the read
	announced, err := m.bounds.trusted.announced(conn.Conn)
	if err != nil {
		return unannounced(err)
	}
	conn.Conn = announced
	if !conn.visit.comesFrom(conn.RemoteAddr()) {
		return greetCrowd
	}
	if m.tls != nil {
		secure := tls.Server(conn.Conn, m.tls)
		if err := secure.Handshake(); err != nil {
			answerPlain(err)
			return greetNoTLS
		}
		conn.Conn = secure
	}
	first := make([]byte, len(http2Preface))
	if _, err := io.ReadFull(conn, first); err != nil {
		return greetSilent
	}
	_ = conn.SetDeadline(time.Time{})
	conn.first = first
	found, speaks := greetHTTP, ProtocolHTTP
	if string(first) == http2Preface {
		found, speaks = greetGRPC, ProtocolGRPC
	}
	if m.takes != ProtocolAny && m.takes != speaks {
		return greetOther
	}
	return found
}

// answerPlain tells a client that speaks HTTP in the clear to a port with TLS, which is
// what an http URL on chain leads to.
func answerPlain(err error) {
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && plain.Conn != nil && isPlainHTTP(plain) {
		_, _ = io.WriteString(plain.Conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThis port takes https only.\n")
	}
}

func isPlainHTTP(e tls.RecordHeaderError) bool {
	switch string(e.RecordHeader[:]) {
	case "GET /", "POST ", "HEAD ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// sniffedConn gives back the bytes that were looked at.
type sniffedConn struct {
	net.Conn
	first []byte
	visit *visit
}

// Close implements net.Conn.
func (c *sniffedConn) Close() error {
	c.visit.leave()
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
