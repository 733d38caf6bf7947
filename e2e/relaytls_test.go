package e2e

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/relayproxy/certificate/certtest"
)

// securePorts are those that relayer-1 has besides its first: with TLS, for everything
// and for gRPC.
type securePorts struct {
	*certtest.Authority
	dir         string
	addrs       []string
	trustedFile string
}

func newSecurePorts(t *testing.T) *securePorts {
	t.Helper()
	addrs, err := port.Addrs(2)
	if err != nil {
		t.Fatal(err)
	}
	s := &securePorts{Authority: certtest.New(t), dir: t.TempDir(), addrs: addrs}
	s.trustedFile = filepath.Join(s.dir, "ca.crt")
	if err := os.WriteFile(s.trustedFile, s.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Write(s.dir, 1)
	return s
}

func (s *securePorts) open(name string, config map[string]any) {
	if name != "relayer-1" {
		return
	}
	files := map[string]any{"cert": filepath.Join(s.dir, "relayer.crt"), "key": filepath.Join(s.dir, "relayer.key")}
	config["relayer"].(map[string]any)["listeners"] = []any{
		map[string]any{"listen_addr": s.addrs[0], "tls": files},
		map[string]any{"listen_addr": s.addrs[1], "tls": files, "protocol": "grpc"},
	}
}

// shown is the serial number of the certificate that a new connection is shown.
func (s *securePorts) shown(t *testing.T, addr string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: s.Pool()})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// checkSecure sends relays of each transport over TLS, before and after the certificate
// is renewed.
func (c relayClient) checkSecure(s *securePorts, message string) {
	c.t.Helper()
	c.env = append(c.env, "SSL_CERT_FILE="+s.trustedFile)
	supplier := c.Manifest().Suppliers[0].Address
	for serial := int64(1); serial <= 2; serial++ {
		for _, addr := range s.addrs {
			c.await(c.ctx, "the certificate is shown", func() bool { return s.shown(c.t, addr) == serial })
		}
		for _, tc := range []struct {
			service, addr, want string
			args                []string
		}{
			{"eth", s.addrs[0], `"result":"0x2329"`, []string{"jsonrpc", "eth_chainId"}},
			{"eth", s.addrs[0], "subscribed", []string{"websocket", `{"jsonrpc":"2.0","id":7,"method":"demo_subscribe","params":[2]}`}},
			{"cosmos", s.addrs[1], "68656c6c6f", []string{"grpc", backends.EchoMethod, "-d", "@" + message}},
		} {
			out, code := c.run(tc.service, append(tc.args, "--supplier", supplier, "--url", "https://"+tc.addr)...)
			var relays []sentRelay
			if err := json.Unmarshal(out, &relays); err != nil || code != 0 || len(relays) != 1 ||
				!strings.Contains(strings.Join(relays[0].Body, ""), tc.want) {
				c.t.Errorf("%v over TLS: exit code %d, %s, %v", tc.args, code, out, err)
			}
		}
		s.Write(s.dir, serial+1)
	}
	if n := c.metric(c.ctx, "relayer-1", "ha_relayer_tls_certificate_loads_total"); n < 2 {
		c.t.Errorf("%g certificates were loaded, want both ports' new one", n)
	}
}
