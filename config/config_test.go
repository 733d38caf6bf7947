package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const full = `
chain:
  id: pocket
  nodes:
    - {rpc: "https://rpc.example:443", grpc: "https://grpc.example:443"}
redis: {url: "redis://:${TEST_REDIS_PASSWORD}@localhost:6379/0"}
keys: {keys_file: keys.yaml}
cluster: {id: main, partitions: 8}
miner:
  node_id: m1
  data_dir: data
  raft:
    bind: 127.0.0.1:7001
    bootstrap_expect: 3
    peers:
      - {id: m1, addr: "127.0.0.1:7001"}
      - {id: m2, addr: "127.0.0.1:7002"}
      - {id: m3, addr: "127.0.0.1:7003"}
relayer: {listen_addr: "0.0.0.0:8545"}
services:
  eth:
    default_backend: jsonrpc
    timeout: 3s
    max_request_body: 5MB
    backends:
      jsonrpc: {url: "http://localhost:9545", headers: {X-Key: abc}}
      rest: {url: "http://localhost:9546/v1"}
tx: {gas_price: 0.002upokt}
logging: {level: debug, format: json}
`

func TestFullFile(t *testing.T) {
	t.Setenv("TEST_REDIS_PASSWORD", "hush")
	for _, role := range []Role{RoleAny, RoleMiner, RoleRelayer} {
		cfg, err := parse("/etc/raftminer/f.yaml", []byte(full), role)
		if err != nil {
			t.Fatalf("role %q: %v", role, err)
		}
		eth := cfg.Services["eth"]
		checks := map[string][2]any{
			"keys file":      {cfg.Keys.File, "/etc/raftminer/keys.yaml"},
			"data dir":       {cfg.Miner.DataDir, "/etc/raftminer/data"},
			"redis url":      {cfg.Redis.URL.Reveal(), "redis://:hush@localhost:6379/0"},
			"timeout":        {eth.Timeout, 3 * time.Second},
			"request body":   {eth.MaxRequestBody, Bytes(5_000_000)},
			"response body":  {eth.MaxResponseBody, Bytes(100_000_000)},
			"header":         {eth.Backends["jsonrpc"].Headers["X-Key"], "abc"},
			"heartbeat":      {cfg.Miner.Raft.Heartbeat, 500 * time.Millisecond},
			"advertise":      {cfg.Miner.Raft.Advertise, "127.0.0.1:7001"},
			"peers":          {len(cfg.Miner.Raft.Peers), 3},
			"partitions":     {cfg.Cluster.Partitions, 8},
			"gas adjustment": {cfg.Tx.GasAdjustment, 1.5},
		}
		for name, pair := range checks {
			if pair[0] != pair[1] {
				t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
			}
		}
		if price, err := cfg.Tx.Price(); err != nil || price != 0.002 {
			t.Errorf("gas price: got %v, %v", price, err)
		}
	}
}

func TestSecretsShowNowhere(t *testing.T) {
	t.Setenv("TEST_REDIS_PASSWORD", "hush")
	cfg, err := parse("f.yaml", []byte(full), RoleAny)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, cfg.Redis); strings.Contains(text, "hush") {
			t.Errorf("%s shows the secret: %s", format, text)
		}
	}
}

// Every problem of a file is reported in one pass, each at its line.
func TestProblems(t *testing.T) {
	tests := map[string]struct {
		change []string // old, new pairs
		role   Role
		want   []string
	}{
		"typo":                 {[]string{"listen_addr", "listen_adr"}, RoleRelayer, []string{`f.yaml:19: relayer.listen_adr: unknown key, did you mean "listen_addr"?`, "relayer.listen_addr: is required"}},
		"misspelt backend":     {[]string{"      rest:", "      rset:"}, RoleRelayer, []string{`f.yaml:27: services.eth.backends.rset: no such RPC type, did you mean "rest"?`}},
		"wrong type":           {[]string{"partitions: 8", "partitions: many"}, RoleAny, []string{"f.yaml:8: cluster.partitions: "}},
		"wrong size":           {[]string{"5MB", "big"}, RoleAny, []string{"f.yaml:24: services.eth.max_request_body: "}},
		"wrong duration":       {[]string{"timeout: 3s", "timeout: soon"}, RoleAny, []string{"f.yaml:23: services.eth.timeout: "}},
		"list expected":        {[]string{"    - {rpc", "      {rpc"}, RoleAny, []string{"chain.nodes: must be a list"}},
		"no scheme":            {[]string{"https://rpc.example:443", "rpc.example:443"}, RoleAny, []string{"f.yaml:5: chain.nodes[0].rpc: must be a URL with scheme http or https"}},
		"peer missing":         {[]string{"node_id: m1", "node_id: m9"}, RoleMiner, []string{`f.yaml:10: miner.node_id: "m9" is not among miner.raft.peers`}},
		"peer twice":           {[]string{"{id: m3, addr: \"127.0.0.1:7003\"}", "{id: m2, addr: \"127.0.0.1:7002\"}"}, RoleMiner, []string{`f.yaml:18: miner.raft.peers[2].id: "m2" is listed twice`, `miner.raft.peers[2].addr: "127.0.0.1:7002" is listed twice`}},
		"expect":               {[]string{"bootstrap_expect: 3", "bootstrap_expect: 5"}, RoleMiner, []string{"f.yaml:14: miner.raft.bootstrap_expect: is 5, but 3 peers are listed"}},
		"lease":                {[]string{"bootstrap_expect: 3", "bootstrap_expect: 3\n    leader_lease_timeout: 2s"}, RoleMiner, []string{"f.yaml:15: miner.raft.leader_lease_timeout: 2s is above heartbeat_timeout 500ms"}},
		"nervous":              {[]string{"bootstrap_expect: 3", "bootstrap_expect: 3\n    heartbeat_timeout: 50ms\n    leader_lease_timeout: 25ms"}, RoleMiner, []string{"is below 150ms"}},
		"default backend":      {[]string{"default_backend: jsonrpc", "default_backend: cometbft"}, RoleRelayer, []string{`f.yaml:22: services.eth.default_backend: "cometbft" has no backend`}},
		"price":                {[]string{"0.002upokt", "0.002pokt"}, RoleMiner, []string{"f.yaml:28: tx.gas_price: "}},
		"several in one pass":  {[]string{"level: debug", "level: loud", "id: pocket", "idd: pocket"}, RoleAny, []string{"f.yaml:3: chain.idd: unknown key", "chain.id: is required", "f.yaml:29: logging.level"}},
		"a miner without role": {[]string{"  node_id: m1\n", ""}, RoleMiner, []string{"miner.node_id: is required"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer(test.change...).Replace(full)
			if text == full {
				t.Fatal("the change changed nothing")
			}
			t.Setenv("TEST_REDIS_PASSWORD", "hush")
			_, err := parse("f.yaml", []byte(text), test.role)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in\n%v", want, err)
				}
			}
			if len(problems) != len(test.want) {
				t.Errorf("got %d problems, want %d:\n%v", len(problems), len(test.want), err)
			}
		})
	}
}

func TestNotYAML(t *testing.T) {
	if _, err := parse("f.yaml", []byte("a: [1, 2"), RoleAny); !errors.As(err, new(Problems)) {
		t.Errorf("got %v, want problems", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), RoleAny); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a missing file", err)
	}
}

func TestKeysFile(t *testing.T) {
	good := strings.Repeat("ab", 32)
	tests := map[string]struct {
		text string
		keys int
		want string
	}{
		"plain and 0x":     {"keys:\n  - \"" + good + "\"\n  - \"0x" + good + "\"\n", 2, ""},
		"empty list":       {"keys: []\n", 0, ""},
		"empty file":       {"", 0, ""},
		"half written":     {"keys:\n  - \"" + good + "\"\n  - \"" + good[:20] + "\"\n", 1, "k.yaml:3: keys[1]: is not a key of 64 hex digits"},
		"not hex":          {"keys: [\"" + strings.Repeat("zz", 32) + "\"]\n", 0, "keys[0]: is not a key"},
		"with its address": {"keys: [{operator_address: pokt1x, private_key_hex: " + good + "}]\n", 1, ""},
		"a line each":      {"# two\n" + good + "\n\npokt1x: 0x" + good + "\n", 2, ""},
		"half a line":      {good + "\n" + good[:20], 1, "k.yaml:2: is not a key of 64 hex digits"},
		"number as a key":  {"keys: [123]\n", 0, "keys[0]: is not a key"},
		"list as a key":    {"keys: [[x]]\n", 0, "keys[0]: must be a mapping"},
		"address alone":    {"keys: [{operator_address: pokt1x}]\n", 0, "keys[0]: is not a key"},
		"unknown key":      {"kesy: []\n", 0, `unknown key, did you mean "keys"?`},
		"broken":           {"keys: [\"" + good, 0, "k.yaml"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			secrets, problems := ParseKeys("k.yaml", []byte(test.text))
			var err error
			if len(problems) > 0 {
				err = problems
			}
			if len(secrets) != test.keys {
				t.Errorf("got %d keys, want %d", len(secrets), test.keys)
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), good[:16]) {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("services: {eth: {backends: {jsonrpc: null}}}"))
	f.Fuzz(func(t *testing.T, bz []byte) {
		if cfg, err := parse("f.yaml", bz, RoleAny); (cfg == nil) == (err == nil) {
			t.Errorf("got %v and %v", cfg, err)
		}
		keys, _ := ParseKeys("k.yaml", bz)
		for _, key := range keys {
			if len(key.Reveal()) != keySize {
				t.Errorf("%s has %d bytes", key.Path, len(key.Reveal()))
			}
		}
	})
}
