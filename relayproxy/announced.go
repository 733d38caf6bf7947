package relayproxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/pires/go-proxyproto"
)

// trusted are the balancers that may say for whom they connect.
type trusted []netip.Prefix

func (t trusted) include(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// announced reads the PROXY header, of version 1 or 2, with which a trusted balancer
// begins a connection (haproxy's doc/proxy-protocol.txt). From then on the address of
// the other side is the client's. A connection without one stays the balancer's.
// What others send is left for the protocols to refuse.
func (t trusted) announced(conn net.Conn) (net.Conn, error) {
	if !t.include(conn.RemoteAddr()) {
		return conn, nil
	}
	// The deadline of the connection bounds the header, too. An empty read takes no more
	// than the header.
	passed := proxyproto.NewConn(conn, proxyproto.WithPolicy(proxyproto.USE), proxyproto.SetReadHeaderTimeout(0))
	_, err := passed.Read(nil)
	return passed, err
}

// unannounced is the greeting of a connection whose PROXY header could not be read.
func unannounced(err error) greeting {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return greetSilent
	}
	return greetOther
}
