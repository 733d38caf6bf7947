package raftfsm

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func authority(t *testing.T, cluster string, now time.Time) Certificate {
	t.Helper()
	ca, err := NewAuthority(cluster, now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// issued writes a node's certificate, and the CA that it trusts, to files.
func issued(t *testing.T, ca, trusted Certificate, nodeID string, now time.Time) *TLSFiles {
	t.Helper()
	cert, err := IssueCertificate(ca, nodeID, []string{"127.0.0.1", "miner.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := &TLSFiles{CA: filepath.Join(dir, "ca.crt"), Cert: filepath.Join(dir, "node.crt"), Key: filepath.Join(dir, "node.key")}
	for path, content := range map[string][]byte{files.CA: trusted.Cert, files.Cert: cert.Cert, files.Key: cert.Key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestGroupOverTLS(t *testing.T) {
	ca := authority(t, "test", time.Now())
	c := startLoopbackWith(t, 3, func(cfg *Config) { cfg.TLS = issued(t, ca, ca, cfg.NodeID, time.Now()) })
	leader, epoch := c.leader()
	start := time.Now()
	c.kill(leader)
	_, newer := c.leader()
	t.Logf("next epoch after %s", time.Since(start))
	if newer.Compare(epoch) <= 0 {
		t.Errorf("epoch %s follows %s", newer, epoch)
	}
}

// serveTLS listens as node m1 of cluster test.
func serveTLS(t *testing.T, files TLSFiles) (addr string, accepted <-chan net.Conn) {
	t.Helper()
	stream := tlsOf(t, files, stranger{id: "m1"})
	conns := make(chan net.Conn, 16)
	go func() {
		for {
			conn, err := stream.Accept()
			if err != nil {
				return
			}
			conns <- conn
		}
	}()
	t.Cleanup(func() {
		_ = stream.Close()
		for len(conns) > 0 {
			_ = (<-conns).Close()
		}
	})
	return stream.Addr().String(), conns
}

// stranger is a node that knows nothing of its group.
type stranger struct{ id, expects string }

func (s stranger) introduce() hello {
	return hello{Protocol: helloVersion, ClusterID: "test", NodeID: s.id, Instance: s.id + "-1"}
}
func (stranger) judge(hello) error                    { return nil }
func (stranger) noteHello(hello)                      {}
func (s stranger) memberAt(raft.ServerAddress) string { return s.expects }

func tlsOf(t *testing.T, files TLSFiles, node acquaintance) *peerStream {
	t.Helper()
	addr := freeAddrs(t, 1)[0]
	inner, err := listenTCP(Config{Bind: addr, Advertise: addr})
	if err != nil {
		t.Fatal(err)
	}
	return newPeerStream(inner, &peerIdentity{files: files, clusterID: "test"}, node, zap.NewNop())
}

func TestPeersAreVerified(t *testing.T) {
	now := time.Now()
	ca, rogue, foreign := authority(t, "test", now), authority(t, "test", now), authority(t, "other", now)
	server := issued(t, ca, ca, "m1", now)
	tests := map[string]struct {
		client *TLSFiles
		want   string // the id that the client expects to meet
		ok     bool
	}{
		"member":           {issued(t, ca, ca, "m2", now), "m1", true},
		"unknown address":  {issued(t, ca, ca, "m2", now), "", true},
		"another node":     {issued(t, ca, ca, "m2", now), "m3", false},
		"of another CA":    {issued(t, rogue, ca, "m2", now), "m1", false},
		"trusts other CA":  {issued(t, ca, rogue, "m2", now), "m1", false},
		"of other cluster": {issued(t, foreign, ca, "m2", now), "m1", false},
		"expired":          {issued(t, ca, ca, "m2", now.Add(-2*certificateLife)), "m1", false},
		"not yet valid":    {issued(t, ca, ca, "m2", now.Add(time.Hour)), "m1", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			addr, accepted := serveTLS(t, *server)
			client := tlsOf(t, *test.client, stranger{id: "m2", expects: test.want})
			defer func() { _ = client.Close() }()
			conn, err := client.Dial(raft.ServerAddress(addr), patience)
			met := err == nil
			if met { // TLS 1.3: the client's certificate is refused after its handshake
				_, _ = conn.Write([]byte("x"))
				met = answered(t, conn, accepted)
				_ = conn.Close()
			}
			if met != test.ok {
				t.Errorf("connected: %t, want %t (%v)", met, test.ok, err)
			}
		})
	}
}

// answered says whether the server took the connection.
func answered(t *testing.T, conn net.Conn, accepted <-chan net.Conn) bool {
	t.Helper()
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		_, _ = conn.Read(make([]byte, 1)) // ends when the server refuses or we close
	}()
	select {
	case peer := <-accepted:
		_ = peer.Close()
		<-refused
		return true
	case <-refused:
		return false
	case <-time.After(patience):
		t.Fatal("neither taken nor refused")
		return false
	}
}

// Strangers that say nothing, or nonsense, are dropped and keep nobody waiting.
func TestStrangersAreDropped(t *testing.T) {
	ca := authority(t, "test", time.Now())
	addr, accepted := serveTLS(t, *issued(t, ca, ca, "m1", time.Now()))
	var silent []net.Conn
	for range maxHandshakes / 2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	noisy, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := noisy.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	client := tlsOf(t, *issued(t, ca, ca, "m2", time.Now()), stranger{id: "m2", expects: "m1"})
	defer func() { _ = client.Close() }()
	conn, err := client.Dial(raft.ServerAddress(addr), patience)
	if err != nil || !answered(t, conn, accepted) {
		t.Fatalf("a member was kept out: %v", err)
	}
	_ = conn.Close()
	for _, conn := range append(silent, noisy) {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, err := io.Copy(io.Discard, conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a stranger is still connected")
		}
		_ = conn.Close()
	}
}

func TestOwnCertificateIsChecked(t *testing.T) {
	now := time.Now()
	ca := authority(t, "test", now)
	good := issued(t, ca, ca, "m1", now)
	tests := map[string]*TLSFiles{
		"of another node":    issued(t, ca, ca, "m2", now),
		"of another cluster": issued(t, authority(t, "other", now), ca, "m1", now),
		"of another CA":      issued(t, authority(t, "test", now), ca, "m1", now),
		"expired":            issued(t, ca, ca, "m1", now.Add(-2*certificateLife)),
		"no file":            {CA: good.CA, Cert: good.Cert + "x", Key: good.Key},
		"no CA":              {CA: good.Key, Cert: good.Cert, Key: good.Key},
		"key of another":     {CA: good.CA, Cert: good.Cert, Key: issued(t, ca, ca, "m1", now).Key},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			addr := freeAddrs(t, 1)[0]
			cfg := Config{NodeID: "m1", DataDir: t.TempDir(), Bind: addr, ClusterID: "test", Partitions: 1, TLS: files}
			_, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
			wantError(t, err, ErrCertificate)
		})
	}
}

func TestCertificatesAreRefused(t *testing.T) {
	now := time.Now()
	ca := authority(t, "test", now)
	leaf, err := IssueCertificate(ca, "m1", nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() (Certificate, error){
		"odd cluster": func() (Certificate, error) { return NewAuthority("a/b", now) },
		"odd node":    func() (Certificate, error) { return IssueCertificate(ca, "", nil, now) },
		"no PEM":      func() (Certificate, error) { return IssueCertificate(Certificate{}, "m1", nil, now) },
		"not a CA":    func() (Certificate, error) { return IssueCertificate(leaf, "m1", nil, now) },
		"expired CA":  func() (Certificate, error) { return IssueCertificate(ca, "m1", nil, now.Add(2*authorityLife)) },
	} {
		if _, err := make(); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tls.X509KeyPair(leaf.Cert, leaf.Key); err != nil {
		t.Error(err)
	}
}
