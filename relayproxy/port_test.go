package relayproxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/relayproxy/certificate"
	"github.com/raftminer/raftminer/relayproxy/certificate/certtest"
)

// HTTP/2 is never agreed on where POSTs come in: gRPC alone speaks it.
func TestWhatTLSAgreesOn(t *testing.T) {
	for _, tc := range []struct {
		port   Protocol
		offers []string
		want   string
		fails  bool
	}{
		{ProtocolAny, []string{"h2", "http/1.1"}, "http/1.1", false},
		{ProtocolAny, []string{"h2"}, "", true},
		{ProtocolAny, nil, "", false},
		{ProtocolHTTP, []string{"h2", "http/1.1"}, "http/1.1", false},
		{ProtocolGRPC, []string{"h2", "http/1.1"}, "h2", false},
		{ProtocolGRPC, []string{"h2"}, "h2", false},
	} {
		w := newWorld(t)
		w.secure(tc.port)
		_, url := w.start()
		offer := w.trust.Clone()
		offer.NextProtos = tc.offers
		conn, err := tls.Dial("tcp", hostOf(url), offer)
		if tc.fails != (err != nil) {
			t.Errorf("port %q, %v: %v", tc.port, tc.offers, err)
		}
		if err != nil {
			continue
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != tc.want {
			t.Errorf("port %q, %v: agreed on %q, want %q", tc.port, tc.offers, got, tc.want)
		}
		_ = conn.Close()
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	w := newWorld(t)
	w.secure(ProtocolAny)
	_, url := w.start()
	old := w.trust.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if conn, err := tls.Dial("tcp", hostOf(url), old); err == nil {
		t.Errorf("agreed on %x", conn.ConnectionState().Version)
	}
}

// greeted is how often a connection turned out to be something.
func greeted(s *Server, g greeting) float64 {
	return testutil.ToFloat64(s.connections.greeted.WithLabelValues("test", string(g)))
}

// A port for one protocol closes connections that speak the other, and counts them.
func TestAPortForOneProtocol(t *testing.T) {
	w := newWorld(t)
	w.port.Protocol = ProtocolGRPC
	s, url := w.start()
	if _, err := http.Post(url, "", strings.NewReader("{}")); err == nil {
		t.Error("a port for gRPC answered a POST")
	}
	waitFor(t, func() bool { return greeted(s, greetOther) == 1 && s.connections.count() == 0 })

	w = newWorld(t)
	w.port.Protocol = ProtocolHTTP
	s, url = w.start()
	if _, err := w.call(url, w.signed("hello"), "3"); err == nil {
		t.Error("a port for HTTP answered gRPC")
	}
	if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
		t.Error(res.RelayMinerError)
	}
	waitFor(t, func() bool {
		return greeted(s, greetOther) >= 1 && greeted(s, greetHTTP) == 1 && greeted(s, greetGRPC) == 0
	})
}

// Who staked an http URL for a port with TLS can find out.
func TestPlainHTTPToTLS(t *testing.T) {
	w := newWorld(t)
	w.secure(ProtocolAny)
	s, url := w.start()
	res, err := http.Post("http://"+hostOf(url), "", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "https") {
		t.Errorf("got status %d, %q, %v", res.StatusCode, text, err)
	}
	junk, err := net.Dial("tcp", hostOf(url))
	if err != nil {
		t.Fatal(err)
	}
	defer junk.Close()
	if _, err := junk.Write([]byte("neither TLS nor HTTP")); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, junk) // until the relayer has had enough of it
	waitFor(t, func() bool { return greeted(s, greetNoTLS) == 2 && s.connections.count() == 0 })
}

// Files that are swapped, as Kubernetes swaps them, are served to who comes then, and
// who is there already stays.
func TestACertificateIsRenewed(t *testing.T) {
	w := newWorld(t)
	authority, dir := certtest.New(t), t.TempDir()
	publish := func(serial int64, version string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		authority.Write(filepath.Join(dir, version), serial)
		err := errors.Join(os.Symlink(version, filepath.Join(dir, "..new")), os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
		if err != nil {
			t.Fatal(err)
		}
	}
	publish(1, "..1")
	files := certificate.Files{Setting: "relayer.tls", Cert: filepath.Join(dir, "..data", "relayer.crt"), Key: filepath.Join(dir, "..data", "relayer.key")}
	follower, err := certificate.Follow(files, certificate.NewMetrics(prometheus.NewRegistry()), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { follower.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	w.port.Certificate, w.trust = follower.Certificate, &tls.Config{RootCAs: authority.Pool()}
	_, url := w.start()
	shown := func() int64 {
		conn, err := w.connect(url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := shown(); got != 1 {
		t.Fatalf("shows certificate %d, want 1", got)
	}
	before, err := w.connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	w.relayOn(before, "first")
	publish(2, "..2")
	waitFor(t, func() bool { return shown() == 2 })
	w.relayOn(before, "after the swap")
}

// relayOn sends a relay on a connection that stays open.
func (w *world) relayOn(conn net.Conn, text string) {
	w.t.Helper()
	body := w.signed(text)
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		w.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	var out servicetypes.RelayResponse
	if err != nil || out.Unmarshal(raw) != nil || out.RelayMinerError != nil {
		w.t.Errorf("%s: %v, %v", text, out.RelayMinerError, err)
	}
}

// A server on several ports answers what is in flight on each, and closes all.
func TestShutdownOfSeveralPorts(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	plain, plainURL := w.listen(Port{})
	alone, aloneURL := w.listen(Port{Protocol: ProtocolGRPC})
	secured := newWorld(t)
	secured.secure(ProtocolAny)
	secure, secureURL := w.listen(secured.port)
	served := make(chan error, 1)
	go func() { served <- s.Serve(plain, alone, secure) }()
	var working atomic.Int32
	release := make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		working.Add(1)
		<-release
		ctx.SetBodyString("late but right")
	})
	answered := make(chan error, 3)
	body := w.signed("{}")
	for _, send := range []func() (*servicetypes.RelayResponse, error){
		func() (*servicetypes.RelayResponse, error) { _, res := post(t, plainURL, body); return res, nil },
		func() (*servicetypes.RelayResponse, error) { return w.call(aloneURL, body, "3") },
		func() (*servicetypes.RelayResponse, error) { return secured.postSecurely(secureURL, body), nil },
	} {
		go func() {
			res, err := send()
			if err == nil && res.RelayMinerError != nil {
				err = errors.New(res.RelayMinerError.Message)
			}
			answered <- err
		}()
	}
	waitFor(t, func() bool { return working.Load() == 3 })
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for _, url := range []string{plainURL, aloneURL, secureURL} {
		waitFor(t, func() bool {
			conn, err := net.Dial("tcp", hostOf(url))
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
	}
	close(release)
	for range 3 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(<-down, <-served); err != nil {
		t.Error(err)
	}
}

// A process that may not open another file goes on when it may again.
func TestAPortThatCannotAcceptForAWhile(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	port, url := w.listen(Port{})
	port.Listener = &starvedListener{Listener: port.Listener, fails: 3}
	served := make(chan error, 1)
	go func() { served <- s.Serve(port) }()
	if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
		t.Error(res.RelayMinerError)
	}
	if n := testutil.ToFloat64(s.connections.refused.WithLabelValues("system")); n != 3 {
		t.Errorf("%g failures were counted, want 3", n)
	}
	if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
		t.Error(err)
	}
}

type starvedListener struct {
	net.Listener
	fails int
}

func (l *starvedListener) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}
