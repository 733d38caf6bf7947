package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/relayproxy/certificate/certtest"
)

func writePair(t *testing.T, cert, key []byte) config.ServerTLS {
	t.Helper()
	dir := t.TempDir()
	files := config.ServerTLS{Cert: filepath.Join(dir, "relayer.crt"), Key: filepath.Join(dir, "relayer.key")}
	for path, content := range map[string][]byte{files.Cert: cert, files.Key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// What keeps a relayer from opening its doors is told by the setting, at its start, by
// the doctor and by validate, and no port stays open.
func TestDoorsThatDoNotOpen(t *testing.T) {
	authority := certtest.New(t)
	cert, key := authority.Issue(1, time.Now())
	_, foreign := authority.Issue(2, time.Now())
	oldCert, oldKey := authority.Issue(3, time.Now().Add(-2*time.Hour))
	sound := writePair(t, cert, key)
	for name, tc := range map[string]struct {
		relayer config.Relayer
		want    string
	}{
		"foreign key": {config.Relayer{TLS: writePair(t, cert, foreign)}, "relayer.tls: "},
		"expired": {config.Relayer{TLS: sound, Listeners: []config.Listener{
			{ListenAddr: "127.0.0.1:0", Protocol: "grpc", TLS: writePair(t, oldCert, oldKey)},
		}}, "relayer.listeners[0].tls.cert: "},
		"address of another host": {config.Relayer{Listeners: []config.Listener{{ListenAddr: "192.0.2.1:0"}}}, "relayer.listeners[0].listen_addr: "},
	} {
		t.Run(name, func(t *testing.T) {
			tc.relayer.ListenAddr = "127.0.0.1:0"
			_, err := listenForRelays(tc.relayer, prometheus.NewRegistry(), zap.NewNop())
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			found := examineDoors(tc.relayer)
			var said []string
			for _, f := range found {
				if !strings.Contains(f.Problem, "expires soon") { // those here live for an hour
					said = append(said, f.Problem)
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], tc.want) {
				t.Errorf("the doctor says %q, want %q", said, tc.want)
			}
			if err := validateCertificates(tc.relayer); (err == nil) != strings.Contains(tc.want, "listen_addr") {
				t.Errorf("validate says %v", err)
			}
		})
	}
}

func TestDoors(t *testing.T) {
	cert, key := certtest.New(t).Issue(1, time.Now())
	pair := writePair(t, cert, key)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := config.Relayer{ListenAddr: "127.0.0.1:0", Listeners: []config.Listener{{ListenAddr: "127.0.0.1:0", Protocol: "grpc", TLS: pair}}}
	d, err := listenForRelays(cfg, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.addresses()) != 2 || d.ports[0].Certificate != nil || d.ports[1].Certificate == nil || d.ports[1].Protocol != "grpc" {
		t.Errorf("opened %+v", d.ports)
	}
	if checks := d.checks(); len(checks) != 1 || checks[0].name != "relayer.listeners[0].tls" || checks[0].err() != nil {
		t.Errorf("checks %+v", checks)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	// A relayer that runs is nothing to worry about; a certificate near its end is.
	cfg.ListenAddr = taken.Addr().String()
	if found := examineDoors(cfg); len(found) != 1 || !strings.Contains(found[0].Problem, "expires soon") {
		t.Errorf("the doctor says %v", found)
	}
	if found := examineDoors(config.Relayer{}); found != nil {
		t.Errorf("the doctor says of a miner %v", found)
	}
}
