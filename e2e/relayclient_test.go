package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// relayClient runs `raftminer relay` with the keys of a network's gateways.
type relayClient struct {
	*network
	ctx context.Context
	env []string // of the command, besides the test's own
}

// run returns what the command printed and its exit code.
func (c relayClient) run(service string, args ...string) (out []byte, code int) {
	c.t.Helper()
	m := c.Manifest()
	for _, app := range m.Applications {
		if app.Service != service {
			continue
		}
		for _, g := range m.Gateways {
			if g.Address != app.Gateway {
				continue
			}
			keyFile := filepath.Join(c.t.TempDir(), "gateway.key")
			if err := os.WriteFile(keyFile, []byte(g.PrivateKey+"\n"), 0o600); err != nil {
				c.t.Fatal(err)
			}
			args = append([]string{"relay", "--node", m.GRPCURL, "--app", app.Address, "--service", service, "--key-file", keyFile, "-o", "json"}, args...)
			cmd := exec.CommandContext(c.ctx, binary(c.t, "raftminer"), args...)
			cmd.Env = append(os.Environ(), c.env...)
			out, err := cmd.Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				c.t.Logf("%v: %s", args[11:], exit.Stderr)
				return out, exit.ExitCode()
			}
			if err != nil {
				c.t.Fatal(err)
			}
			return out, 0
		}
	}
	c.t.Fatalf("no application for %s", service)
	return nil, 0
}

type sentRelay struct {
	Supplier string   `json:"supplier"`
	Outcome  string   `json:"outcome"`
	Status   int      `json:"status"`
	Answers  int      `json:"answers"`
	Mined    bool     `json:"mined"`
	Total    float64  `json:"total_ms"`
	Body     []string `json:"body"`
}

// The relay client against the real chain and relayers: each kind of API, to every
// supplier of the session, a load, and refusals.
func TestRelayClient(t *testing.T) {
	secure := newSecurePorts(t)
	n, ctx := startWith(t, "", func(name string, config map[string]any) {
		pinRing(name, config)
		secure.open(name, config)
		trustHAProxy(config)
	})
	c := relayClient{network: n, ctx: ctx}
	message, err := proto.Marshal(wrapperspb.Bytes([]byte("hello")))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(file, message, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		service string
		args    []string
		answers int
		want    string
	}{
		{"eth", []string{"jsonrpc", "eth_chainId"}, 1, `"result":"0x2329"`},
		{"eth", []string{"websocket", `{"jsonrpc":"2.0","id":7,"method":"demo_subscribe","params":[2]}`, "--answers", "3"}, 3, "subscribed"},
		{"cosmos", []string{"rest", "/v1/items?page=2", "-X", "PUT", "-d", "body"}, 1, `"method":"PUT"`},
		{"cosmos", []string{"cometbft"}, 1, `latest_block_height`},
		{"cosmos", []string{"grpc", backends.EchoMethod, "-d", "@" + file}, 1, "68656c6c6f"},
		{pocketchain.StreamService, []string{"stream", "/sse?n=3&ms=1"}, 3, `data: {"token":0}`},
	} {
		out, code := c.run(tc.service, tc.args...)
		var relays []sentRelay
		if err := json.Unmarshal(out, &relays); code != 0 || err != nil || len(relays) != len(n.Chain().Actors().Suppliers) {
			t.Errorf("%v: exit code %d, %d relays, %v", tc.args, code, len(relays), err)
		}
		for _, r := range relays {
			if r.Outcome != "ok" || r.Answers != tc.answers || !r.Mined || r.Total <= 0 || !strings.Contains(strings.Join(r.Body, ""), tc.want) {
				t.Errorf("%v: got %+v, want %d answers with %q", tc.args, r, tc.answers, tc.want)
			}
		}
	}
	c.checkLoad()
	c.checkFailures()
	c.checkSimulated()
	c.checkSecure(secure, file)
	c.checkBalanced(file)
}

// simulatedRing are two public keys; the second one's secret is 2.
var simulatedRing = []string{
	"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
	"02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
}

func pinRing(_ string, config map[string]any) {
	if relayer, ok := config["relayer"].(map[string]any); ok {
		relayer["simulation"] = map[string]any{"enabled": true, "identities": []any{map[string]any{
			"key_id": "healthcheck", "enabled": true, "app_pubkey_hex": simulatedRing[0], "gateway_pubkeys_hex": []any{simulatedRing[1]},
		}}}
	}
}

// checkSimulated tries a relayer without stake. Nothing of it is published.
func (c relayClient) checkSimulated() {
	c.t.Helper()
	m := c.Manifest()
	keyFile := filepath.Join(c.t.TempDir(), "simulated.key")
	if err := os.WriteFile(keyFile, []byte(strings.Repeat("0", 63)+"2\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	published := c.metric(c.ctx, "relayer-1", "ha_relayer_relays_published_total")
	simulate := func(key string) []byte {
		cmd := exec.CommandContext(c.ctx, binary(c.t, "raftminer"), "relay", "jsonrpc", "eth_chainId", "-o", "json", "--simulate", key,
			"--app-pubkey", simulatedRing[0], "--key-file", keyFile, "--service", "eth", "--supplier", m.Suppliers[0].Address,
			"--url", m.Relayers[0].URLs["jsonrpc"], "--node", m.GRPCURL)
		out, _ := cmd.Output() // what is wrong is in it
		return out
	}
	if out := simulate("healthcheck"); !strings.Contains(string(out), "0x2329") {
		c.t.Errorf("a simulated relay: %s", out)
	}
	if out := simulate("nobody"); !strings.Contains(string(out), "no simulation key") {
		c.t.Errorf("a simulated relay for another key: %s", out)
	}
	if n := c.metric(c.ctx, "relayer-1", "ha_relayer_simulated_relays_total"); n != 2 {
		c.t.Errorf("%g simulated relays are counted, want 2", n)
	}
	if n := c.metric(c.ctx, "relayer-1", "ha_relayer_relays_published_total"); n != published {
		c.t.Errorf("%g relays were published by simulation", n-published)
	}
}

func (c relayClient) checkLoad() {
	c.t.Helper()
	out, code := c.run("eth", "jsonrpc", "--load", "--count", "60", "--concurrency", "4", "--rps", "200")
	var load struct {
		Served, Failed, Mined int
		P50                   float64 `json:"p50_ms"`
		P99                   float64 `json:"p99_ms"`
		Suppliers             []struct{ Served int }
	}
	if err := json.Unmarshal(out, &load); err != nil || code != 0 {
		c.t.Fatalf("load: exit code %d, %v, %s", code, err, out)
	}
	if load.Served != 60 || load.Failed != 0 || load.Mined != 60 || load.P50 <= 0 || load.P99 < load.P50 || len(load.Suppliers) < 2 {
		c.t.Errorf("load: %s", out)
	}
}

func (c relayClient) checkFailures() {
	c.t.Helper()
	actors := c.Chain().Actors()
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nobody there":             {[]string{"jsonrpc", "--url", "http://127.0.0.1:1"}, 1, "refused"},
		"no relayer there":         {[]string{"jsonrpc", "--url", c.Chain().RPCURL()}, 1, "invalid relay answer"},
		"a supplier of no session": {[]string{"jsonrpc", "--supplier", actors.Gateways[0].Address}, 1, ""},
		"no such RPC type staked":  {[]string{"rest"}, 1, "no URL on chain"},
		"parameters":               {[]string{"jsonrpc", "m", "[1"}, 2, ""},
	} {
		out, code := c.run("eth", tc.args...)
		if code != tc.code || !strings.Contains(string(out), tc.want) {
			c.t.Errorf("%s: exit code %d and %s, want %d and %q", name, code, out, tc.code, tc.want)
		}
	}
}
