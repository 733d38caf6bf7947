package relayproxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// header is what a balancer sends ahead of a connection that it passes on.
func header(t *testing.T, version byte, client string) []byte {
	t.Helper()
	from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client))
	bytes, err := proxyproto.HeaderProxyFromAddrs(version, from, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 80}).Format()
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// announce opens a connection and sends what a balancer, or who pretends to be one, would.
func announce(t *testing.T, url string, first []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", hostOf(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(first); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends a request over a connection and reads an answer.
func ask(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET /nowhere HTTP/1.1\r\nHost: relayer\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Behind a balancer that is trusted, the limit of an address is the client's.
func TestTrustedBalancersSayWhereConnectionsComeFrom(t *testing.T) {
	for version, name := range map[byte]string{1: "version 1", 2: "version 2"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.Limits.MaxConnectionsPerAddress = 2
			w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			s, url := w.start()
			for n, client := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8::1]:1"} {
				if err := ask(announce(t, url, header(t, version, client))); err != nil {
					t.Errorf("connection %d of %s: %v", n, client, err)
				}
			}
			if err := ask(announce(t, url, header(t, version, "192.0.2.1:3"))); err == nil {
				t.Error("the third connection of one client was served")
			}
			if n := testutil.ToFloat64(s.connections.refused.WithLabelValues("address")); n != 1 {
				t.Errorf("%v connections were refused, want 1", n)
			}
		})
	}
}

// The header comes ahead of TLS, which a balancer passes through.
func TestBalancersAnnounceAheadOfTLS(t *testing.T) {
	w := newWorld(t)
	w.secure(ProtocolHTTP)
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s, url := w.start()
	trust := w.trust.Clone()
	trust.ServerName = "127.0.0.1"
	if err := ask(tls.Client(announce(t, url, header(t, 2, "192.0.2.1:1")), trust)); err != nil {
		t.Error(err)
	}
	s.connections.mu.Lock()
	defer s.connections.mu.Unlock()
	if n := s.connections.of[netip.MustParsePrefix("192.0.2.1/32")]; n != 1 {
		t.Errorf("%d connections count for the client, want 1", n)
	}
}

// Who is not trusted cannot pretend: the header is a bad request, and the connection
// counts for who opened it.
func TestForgedAnnouncements(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.MaxConnectionsPerAddress = 2
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s, url := w.start()
	for version := range byte(2) {
		if err := ask(announce(t, url, header(t, version+1, "192.0.2.1:1"))); err != nil {
			t.Error(err)
		}
	}
	if n := rejections(s, ReasonMalformed); n != 2 {
		t.Errorf("%v requests were malformed, want 2", n)
	}
	waitFor(t, func() bool { return s.connections.count() == 0 })
	announce(t, url, nil)
	announce(t, url, nil)
	waitFor(t, func() bool { return s.connections.count() == 2 })
	if _, err := announce(t, url, header(t, 1, "192.0.2.1:1")).Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was taken from one address")
	}
}

// A trusted balancer may send no header, as its health checks do, but not a broken one.
func TestAnnouncementsThatAreNone(t *testing.T) {
	w := newWorld(t)
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	s, url := w.start()
	if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
		t.Errorf("without a header: %v", res.RelayMinerError)
	}
	broken := announce(t, url, []byte("PROXY TCP4 nonsense\r\n"))
	if _, err := broken.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a broken header: got %v, want the end", err)
	}
	waitFor(t, func() bool { return s.connections.count() <= 1 }) // the client that posted may keep its own
}

// The socket below is found, whatever is around it: a client that hangs up is noticed.
func TestSocketBehindABalancer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := announce(t, "http://"+listener.Addr().String(), header(t, 2, "192.0.2.1:1"))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	passed, err := trusted{netip.MustParsePrefix("127.0.0.0/8")}.announced(conn)
	if err != nil || passed.RemoteAddr().String() != "192.0.2.1:1" {
		t.Fatalf("announced as %v, %v", passed.RemoteAddr(), err)
	}
	socket := socketOf(&sniffedConn{Conn: passed})
	if socket == nil || hungUp(socket) {
		t.Fatalf("socket %v has hung up", socket)
	}
	_ = client.Close()
	waitFor(t, func() bool { return hungUp(socket) })
}
