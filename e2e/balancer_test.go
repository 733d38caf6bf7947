package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/e2e/devnet/process"
)

const (
	// haproxyFrom is where the balancer connects from, so that relayers trust no other
	// client of the test.
	haproxyFrom = "127.0.0.9"
	// addressLimit is max_connections_per_address of each relayer.
	addressLimit = 40
)

func trustHAProxy(config map[string]any) {
	if relayer, ok := config["relayer"].(map[string]any); ok {
		relayer["trusted_proxies"] = []any{haproxyFrom}
		relayer["limits"] = map[string]any{"max_connections_per_address": addressLimit}
	}
}

// haproxy starts HAProxy as docs/balancer.md configures it, in front of all relayers, and
// returns where it listens.
func (c relayClient) haproxy() string {
	c.t.Helper()
	addrs, err := port.Addrs(1)
	if err != nil {
		c.t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/balancer.md")
	if err != nil {
		c.t.Fatal(err)
	}
	_, config, _ := strings.Cut(string(page), "```haproxy\n")
	config, _, _ = strings.Cut(config, "```")
	replace := func(old, by string) {
		c.t.Helper()
		if !strings.Contains(config, old) {
			c.t.Fatalf("docs/balancer.md has no %q", old)
		}
		config = strings.Replace(config, old, by, 1)
	}
	replace("maxconn 40000", "maxconn 1000")
	replace("bind :8545", "bind "+addrs[0])
	replace("balance leastconn", "balance roundrobin\n    source "+haproxyFrom)
	for i, relayer := range c.Manifest().Relayers {
		served, metrics := hostOf(c.t, relayer.URLs["jsonrpc"]), hostOf(c.t, relayer.MetricsURL)
		_, checked, _ := net.SplitHostPort(metrics)
		replace(fmt.Sprintf("10.0.0.%d:8545 check port 9090", 11+i), served+" check port "+checked)
	}
	dir := c.t.TempDir()
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
	balancer := process.New(process.Spec{Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", file}, LogPath: filepath.Join(dir, "haproxy.log")})
	if err := balancer.Start(); err != nil {
		c.t.Fatalf("haproxy: %v (scripts/deps.sh haproxy installs it)", err)
	}
	c.t.Cleanup(func() {
		_ = balancer.Stop(5 * time.Second)
		if c.t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "haproxy.log"))
			c.t.Logf("haproxy: %s", log)
		}
	})
	c.await(c.ctx, "haproxy listens", func() bool {
		conn, err := net.Dial("tcp", addrs[0])
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addrs[0]
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// checkBalanced sends relays through HAProxy, and has one client open more connections
// than an address may have. Others are served all the same.
func (c relayClient) checkBalanced(message string) {
	c.t.Helper()
	addr := c.haproxy()
	supplier := c.Manifest().Suppliers[0].Address
	relay := func() {
		c.t.Helper()
		for _, tc := range []struct {
			service, want string
			args          []string
		}{
			{"eth", `"result":"0x2329"`, []string{"jsonrpc", "eth_chainId"}},
			{"eth", "subscribed", []string{"websocket", `{"jsonrpc":"2.0","id":7,"method":"demo_subscribe","params":[2]}`}},
			{"cosmos", "68656c6c6f", []string{"grpc", backends.EchoMethod, "-d", "@" + message}},
		} {
			out, code := c.run(tc.service, append(tc.args, "--supplier", supplier, "--url", "http://"+addr)...)
			var relays []sentRelay
			if err := json.Unmarshal(out, &relays); err != nil || code != 0 || len(relays) != 1 ||
				!strings.Contains(strings.Join(relays[0].Body, ""), tc.want) {
				c.t.Errorf("%v through haproxy: exit code %d, %s, %v", tc.args, code, out, err)
			}
		}
	}
	relay()
	greedy := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	const tooMany = 4
	for range addressLimit*len(c.Manifest().Relayers) + tooMany {
		conn, err := greedy.DialContext(c.ctx, "tcp", addr)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close()
	}
	c.await(c.ctx, "the connections that are too many are refused", func() bool {
		refused := 0.0
		for _, relayer := range c.Manifest().Relayers {
			refused += c.metric(c.ctx, relayer.Name, "ha_relayer_connections_refused_total")
		}
		return refused == tooMany
	})
	relay()
}
