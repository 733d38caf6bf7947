package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is wrong with a command line is told before anybody is asked.
func TestRelayUsage(t *testing.T) {
	key := writeFile(t, strings.Repeat("11", 32))
	all := []string{"--app", "a", "--service", "s", "--key-file", key, "--node", "http://127.0.0.1:1"}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"jsonrpc"}, "--app, --service and --key-file are required"},
		{append([]string{"jsonrpc", "--simulate", "key"}, all...), "--simulate needs --app-pubkey"},
		{append([]string{"jsonrpc", "-o", "csv"}, all...), "-o must be table or json"},
		{append([]string{"jsonrpc", "--config", "x"}, all...), "one of --node and --config"},
		{append([]string{"jsonrpc", "--load", "--count", "0"}, all...), "--count and --concurrency must be positive"},
		{append([]string{"jsonrpc", "m", "{"}, all...), "are not JSON"},
		{append([]string{"rest", "-H", "odd"}, all...), "is not 'Name: value'"},
		{append([]string{"rest", "-d", "@/nowhere"}, all...), "--data"},
		{append([]string{"grpc"}, all...), "METHOD is /package.Service/Method"},
		{append([]string{"jsonrpc", "--node", "node:9090"}, all[:6]...), "scheme must be http or https"},
	} {
		root := rootCommand()
		root.SetArgs(append([]string{"relay"}, tc.args...))
		root.SetOut(new(bytes.Buffer))
		err := root.ExecuteContext(context.Background())
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: got %v, want %q", tc.args, err, tc.want)
		}
	}
}

func TestLoadSecret(t *testing.T) {
	digits := strings.Repeat("ab", 32)
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"digits":    {digits + "\n", true},
		"with 0x":   {"0x" + digits, true},
		"keys file": {"keys: [\"" + digits + "\"]\n", true},
		"too short": {digits[2:], false},
		"empty":     {"", false},
	} {
		secret, err := loadSecret(writeFile(t, tc.text))
		if (err == nil) != tc.ok || tc.ok && hex.EncodeToString(secret) != digits {
			t.Errorf("%s: got %x, %v", name, secret, err)
		}
		if err != nil && strings.Contains(err.Error(), "abab") {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
}

func TestRelayCalls(t *testing.T) {
	o := &relayOptions{data: "x", headers: []string{"A: b"}}
	for name, tc := range map[string]struct {
		build func(*relayOptions, []string) (relayCall, error)
		args  []string
		want  gateway.Call
	}{
		"jsonrpc": {buildJSONRPC, []string{"eth_call", "[1]"}, gateway.Call{
			Method: http.MethodPost, URL: "/", Body: []byte(`{"jsonrpc":"2.0","id":8,"method":"eth_call","params":[1]}`),
		}},
		"rest":     {buildHTTP, []string{"v1?a=b"}, gateway.Call{Method: http.MethodPost, URL: "/v1?a=b", Body: []byte("x")}},
		"grpc":     {buildGRPC, []string{"/a.B/C"}, gateway.Call{Method: http.MethodPost, URL: "/a.B/C", Body: []byte("\x00\x00\x00\x00\x01x")}},
		"a socket": {buildFrame, []string{"hello"}, gateway.Call{Body: []byte("hello")}},
	} {
		call, err := tc.build(o, tc.args)
		if err != nil {
			t.Fatal(err)
		}
		got := call(7)
		if got.Method != tc.want.Method || got.URL != tc.want.URL || !bytes.Equal(got.Body, tc.want.Body) {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
		if name != "a socket" && got.Header.Get("A") != "b" {
			t.Errorf("%s: headers %v", name, got.Header)
		}
	}
}

func TestQuantile(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(i+1)*time.Millisecond)
	}
	for q, want := range map[float64]millis{0: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		if got := quantile(took, q); got != want {
			t.Errorf("quantile %g: got %g, want %g", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: %g", got)
	}
}

func TestReadable(t *testing.T) {
	for in, want := range map[string]string{"a\nb": "a\nb", "ü": "ü", "\x00a": "0061", "\xff": "ff"} {
		if got := readable([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A session is asked for again when it is old, or known to be over.
func TestNewestSession(t *testing.T) {
	asked := 0
	s := &newestSession{ask: func(context.Context) (*gateway.Session, error) { asked++; return new(gateway.Session), nil }}
	get := func(over *gateway.Session, want int) *gateway.Session {
		t.Helper()
		session, err := s.get(context.Background(), over)
		if err != nil || asked != want {
			t.Errorf("asked %d times, %v, want %d", asked, err, want)
		}
		return session
	}
	first := get(nil, 1)
	get(nil, 1)
	second := get(first, 2)
	if got := get(first, 2); got != second {
		t.Error("a session that somebody else replaced is asked for again")
	}
	s.fetched = time.Now().Add(-sessionAge)
	get(nil, 3)
}

func TestReasonsAndSessionsThatAreOver(t *testing.T) {
	refusal := func(codespace string, code uint32) error {
		return fmt.Errorf("relay: %w", &gateway.Refusal{RelayMinerError: servicetypes.RelayMinerError{
			Codespace: codespace, Code: code, Description: "d", Message: "at height 12",
		}})
	}
	for _, tc := range []struct {
		err    error
		over   bool
		reason string
	}{
		{refusal("relayer_proxy", 1), true, "refused: relayer_proxy 1, d"},
		{refusal("relayer_proxy", 6), true, "refused: relayer_proxy 6, d"},
		{refusal("relayer_proxy", 9), false, "refused: relayer_proxy 9, d"},
		{refusal("relay_authenticator", 1), false, "refused: relay_authenticator 1, d"},
		{errors.New("no"), false, "no"},
	} {
		if got := isOver(tc.err); got != tc.over || reasonOf(tc.err) != tc.reason {
			t.Errorf("%v: got %t, %q", tc.err, got, reasonOf(tc.err))
		}
	}
	if isOver(nil) {
		t.Error("a served relay is no reason to change the session")
	}
}
