package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/e2e/devnet/port"
)

// redisName is in the servers' certificate and nowhere in the addresses.
const redisName = "redis.test"

// The client reaches each kind of Redis with what the configuration says, over
// TLS on both sides and as an ACL user, and not with anything less.
func TestRedisClients(t *testing.T) {
	pki := newPKI(t)
	secure := append(pki.serverLines(),
		"user default off", "user miner on >secret ~* &* +@all", "masteruser miner", "masterauth secret", "save \"\"")
	standalone := startSecure(t, pki, secure)
	cluster := startSecure(t, pki, append(secure, "cluster-enabled yes", "cluster-port "+portOf(freeAddr(t)), "tls-cluster yes", "cluster-announce-hostname "+redisName))
	master := startSecure(t, pki, secure)
	sentinel := startSecure(t, pki, append(pki.serverLines(), "tls-replication yes", "user default on >watch ~* &* +@all",
		"sentinel monitor main 127.0.0.1 "+portOf(master)+" 1", "sentinel auth-user main miner", "sentinel auth-pass main secret", "--sentinel"))
	admin := clientOf(t, config.Redis{URL: url("rediss", cluster, ""), Username: "miner", Password: "secret", TLS: pki.files()})
	if err := admin.Do(context.Background(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}

	wrongCA := pki.files()
	wrongCA.CA = newPKI(t).files().CA
	noCert, noName := pki.files(), pki.files()
	noCert.Cert, noCert.Key, noName.ServerName = "", "", "other.test"
	main := config.Sentinel{Master: "main", Password: "watch"}
	for name, c := range map[string]struct {
		redis config.Redis
		works bool
	}{
		"standalone":             {config.Redis{URL: url("rediss", standalone, ""), Username: "miner", Password: "secret", TLS: pki.files()}, true},
		"user in the URL":        {config.Redis{URL: url("rediss", standalone, "miner:secret@"), TLS: pki.files()}, true},
		"wrong password":         {config.Redis{URL: url("rediss", standalone, "miner:wrong@"), TLS: pki.files()}, false},
		"default user":           {config.Redis{URL: url("rediss", standalone, ""), TLS: pki.files()}, false},
		"another CA":             {config.Redis{URL: url("rediss", standalone, "miner:secret@"), TLS: wrongCA}, false},
		"no certificate":         {config.Redis{URL: url("rediss", standalone, "miner:secret@"), TLS: noCert}, false},
		"another server":         {config.Redis{URL: url("rediss", standalone, "miner:secret@"), TLS: noName}, false},
		"in the clear":           {config.Redis{URL: url("redis", standalone, "miner:secret@")}, false},
		"cluster":                {config.Redis{URL: url("rediss+cluster", cluster, "miner:secret@"), TLS: pki.files()}, true},
		"sentinel":               {config.Redis{URL: url("rediss+sentinel", sentinel, "miner:secret@"), TLS: pki.files(), Sentinel: main}, true},
		"sentinel, not asked so": {config.Redis{URL: url("rediss+sentinel", sentinel, "miner:secret@"), TLS: pki.files(), Sentinel: config.Sentinel{Master: "main"}}, false},
	} {
		rdb := clientOf(t, c.redis)
		err := rdb.Set(context.Background(), "{p0}:key", "value", 0).Err()
		for deadline := time.Now().Add(10 * time.Second); c.works && err != nil && time.Now().Before(deadline); {
			err = rdb.Set(context.Background(), "{p0}:key", "value", 0).Err() // the Cluster has yet to come up
		}
		if works := err == nil; works != c.works {
			t.Errorf("%s: got %v, want it to work: %v", name, err, c.works)
		}
	}
}

func clientOf(t *testing.T, cfg config.Redis) redis.UniversalClient {
	t.Helper()
	rdb, err := newRedis(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func url(scheme, addr, user string) config.Secret {
	return config.Secret(scheme + "://" + user + addr)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// startSecure runs a redis-server that listens with TLS only.
func startSecure(t *testing.T, pki testPKI, lines []string) (addr string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: scripts/deps.sh installs it")
	}
	addr = freeAddr(t)
	dir := t.TempDir()
	args := []string{filepath.Join(dir, "redis.conf")}
	text := fmt.Sprintf("port 0\ntls-port %s\nbind 127.0.0.1\ndir %s\n", portOf(addr), dir)
	for _, line := range lines {
		if line == "--sentinel" {
			args = append(args, line)
			continue
		}
		text += line + "\n"
	}
	if err := os.WriteFile(args[0], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addrs, err := port.Addrs(1)
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0]
}

// testPKI is a CA with one certificate, for servers and clients alike.
type testPKI struct{ dir string }

func newPKI(t *testing.T) testPKI {
	t.Helper()
	pki := testPKI{t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: redisName}, DNSNames: []string{redisName},
		NotBefore: template.NotBefore, NotAfter: template.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for name, cert := range map[string]x509.Certificate{"ca.crt": template, "node.crt": leaf} {
		der, err := x509.CreateCertificate(rand.Reader, &cert, &template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		pki.write(t, name, "CERTIFICATE", der)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pki.write(t, "node.key", "PRIVATE KEY", der)
	return pki
}

func (p testPKI) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	bz := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(p.dir, name), bz, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p testPKI) files() config.RedisTLS {
	return config.RedisTLS{
		CA: filepath.Join(p.dir, "ca.crt"), Cert: filepath.Join(p.dir, "node.crt"), Key: filepath.Join(p.dir, "node.key"),
		ServerName: redisName,
	}
}

func (p testPKI) serverLines() []string {
	f := p.files()
	return strings.Split(fmt.Sprintf("tls-ca-cert-file %s\ntls-cert-file %s\ntls-key-file %s\ntls-auth-clients yes", f.CA, f.Cert, f.Key), "\n")
}
