package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// at changes the full file, reads it for any role and lists its problems.
func at(t *testing.T, change ...string) (*Config, []string) {
	t.Helper()
	t.Setenv("TEST_REDIS_PASSWORD", "hush")
	text := strings.NewReplacer(change...).Replace(full)
	cfg, err := parse("f", []byte(text), RoleAny)
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return cfg, lines
}

func TestStrict(t *testing.T) {
	tests := map[string]struct {
		change []string
		want   []string
	}{
		"key twice": {
			[]string{"partitions: 8", "partitions: 8, partitions: 9"},
			[]string{"f:8: cluster.partitions: is there twice, first on line 8"},
		},
		"second document": {
			[]string{"logging: {", "---\nlogging: {"},
			[]string{"f:30: a second document: one file is one document"},
		},
		"number without a unit": {
			[]string{"timeout: 3s", "timeout: 3"},
			[]string{`f:23: services.eth.timeout: "3" needs a unit, such as 3s or 3ms`},
		},
		"old name beside the new one": {
			[]string{"timeout: 3s", "timeout: 3s\n    request_timeout_seconds: 4"},
			[]string{"f:24: services.eth.request_timeout_seconds: is an old name of timeout, which is there too"},
		},
		"zero for a default": {
			[]string{"timeout: 3s", "timeout: 0s", "5MB", "0"},
			[]string{"f:23: services.eth.timeout: must be positive", "f:24: services.eth.max_request_body: must be positive"},
		},
		"negative time": {
			[]string{"timeout: 3s", "timeout: -3s"},
			[]string{"f:23: services.eth.timeout: must be positive"},
		},
		"size beyond counting": {
			[]string{"5MB", "5GB"},
			[]string{`f:24: services.eth.max_request_body: "5GB" is not a size such as 20MB, at most 2GB`},
		},
		"unset variable": {
			[]string{"TEST_REDIS_PASSWORD", "TEST_NOT_SET"},
			[]string{"f:6: redis.url: the environment variable TEST_NOT_SET is not set"},
		},
		"websocket over http": {
			[]string{"rest: {url", "websocket: {url"},
			[]string{
				"f:27: services.eth.backends.websocket.url: must be a URL with scheme ws or wss",
			},
		},
		"no backend at all": {
			[]string{`jsonrpc: {url: "http://localhost:9545", `, "jsonrpc: {"},
			[]string{"f:26: services.eth.backends.jsonrpc.url: is required, or urls"},
		},
		"one backend and several": {
			[]string{`rest: {url`, `rest: {urls: ["http://a", {url: "ftp://b"}], load_balancing: random, url`},
			[]string{
				"f:27: services.eth.backends.rest.urls[1].url: must be a URL with scheme http or https",
				`f:27: services.eth.backends.rest.load_balancing: "random" is not one of least_pending, round_robin`,
				"f:27: services.eth.backends.rest.url: is there beside urls: one of them",
			},
		},
		"check that is not enabled": {
			[]string{`rest: {url`, `rest: {health_check: {endpoint: /health, expected_status: [200, 2000]}, url`},
			[]string{
				"f:27: services.eth.backends.rest.health_check: has no effect: enabled is not true",
				"f:27: services.eth.backends.rest.health_check.expected_status[1]: 2000 is not an HTTP status",
			},
		},
		"nothing to compare with": {
			[]string{`rest: {url`, `rest: {freshness: {path: /status}, max_failures: 0, url`},
			[]string{
				"f:27: services.eth.backends.rest.freshness: has no effect: there is nothing to compare a single backend with",
				"f:27: services.eth.backends.rest.max_failures: must be positive",
			},
		},
		"two kinds of authentication": {
			[]string{`rest: {url`, `rest: {authentication: {username: a, bearer_token: b}, url`},
			[]string{"f:27: services.eth.backends.rest.authentication: has more than one of username and password, bearer_token, plain_token"},
		},
		"misspelt websocket": {
			[]string{"rest: {url", "websockets: {url"},
			[]string{`f:27: services.eth.backends.websockets: no such RPC type, did you mean "websocket"?`},
		},
		"no backend of a request that names none": {
			[]string{"    default_backend: jsonrpc\n", "", "jsonrpc: {url", "cometbft: {url"},
			[]string{"f:21: services.eth.default_backend: is required: several backends, and none is jsonrpc"},
		},
		"header that splits": {
			[]string{"X-Key: abc", `X-Key: "a\nEvil: b"`},
			[]string{"f:26: services.eth.backends.jsonrpc.headers.X-Key: is not an HTTP header"},
		},
		"price that is no number": {
			[]string{"0.002upokt", "NaNupokt"},
			[]string{`f:28: tx.gas_price: "NaNupokt" is not a price such as 0.001upokt`},
		},
		"adjustment that is no number": {
			[]string{"tx: {", "tx: {gas_adjustment: .nan, "},
			[]string{`f:28: tx.gas_adjustment: ".nan" is not a number`},
		},
		"bind to everything": {
			[]string{"bind: 127.0.0.1:7001", "bind: 0.0.0.0:7001\n    advertise: 127.0.0.1:7001"},
			[]string{`f:13: miner.raft.bind: "0.0.0.0:7001" is not on loopback, and miner.raft.tls is not set`},
		},
		"listed elsewhere": {
			[]string{"bind: 127.0.0.1:7001", "bind: 127.0.0.1:7009"},
			[]string{"f:16: miner.raft.peers[0].addr: is 127.0.0.1:7001 for this node, which advertises 127.0.0.1:7009"},
		},
		"section of the wrong kind": {
			[]string{"keys: {keys_file: keys.yaml}", "keys: keys.yaml"},
			[]string{"f:7: keys: must be a mapping of keys to values"},
		},
		"prefix with a colon": {
			[]string{"redis: {", "redis: {namespace: {base_prefix: 'a:b'}, "},
			[]string{`f:6: redis.namespace.base_prefix: "a:b" may have letters, digits, dashes and underscores`},
		},
		"a balancer that is no address": {
			[]string{"relayer: {", "relayer: {trusted_proxies: [10.0.0.0/8, balancer], "},
			[]string{`f:19: relayer.trusted_proxies[1]: "balancer" must be an address or a network such as 10.0.0.0/8`},
		},
		"origin with a path": {
			[]string{"relayer: {", "relayer: {cors: {allowed_origins: ['*', 'https://a.example/']}, "},
			[]string{`f:19: relayer.cors.allowed_origins[1]: "https://a.example/" must be '*' or an origin such as https://app.example, without a path`},
		},
		"alias of nothing": {
			[]string{"partitions: 8", "partitions: *eight"},
			[]string{`f:8: cluster.partitions: no anchor is called "eight"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, got := at(t, test.change...); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A setting that moved no money may not be lost in silence either.
func TestUnknownKeysAreRefusedEverywhere(t *testing.T) {
	for _, section := range []string{"chain", "redis", "keys", "cluster", "miner", "relayer", "tx", "logging"} {
		extra := "\n" + section + ":\n  surplus: 1\n"
		_, err := parse("f", []byte(extra), RoleAny)
		if want := "f:3: " + section + ".surplus: unknown key"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestOldNames(t *testing.T) {
	cfg, problems := at(t, "timeout: 3s", "request_timeout_seconds: 30", "max_request_body: 5MB", "max_request_body_size_bytes: 1048576")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	eth := cfg.Services["eth"]
	if eth.Timeout != 30*time.Second || eth.MaxRequestBody != 1<<20 {
		t.Errorf("got timeout %s and request body %d", eth.Timeout, eth.MaxRequestBody)
	}
}

func TestSeveralBackends(t *testing.T) {
	cfg, problems := at(t, `rest: {url: "http://localhost:9546/v1"}`, `rest:
        urls: ["http://a/v1", {name: b, url: "http://b", headers: {X-Plan: gold}, authentication: {bearer_token: t}}]
        headers: {X-Plan: free, X-Key: k}
        authentication: {username: u}
        recovery_timeout_seconds: 7
        health_check: {enabled: true, interval_seconds: 3}`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	rest := cfg.Services["eth"].Backends["rest"]
	got := rest.Upstreams()
	want := []Upstream{
		{URL: "http://a/v1", Headers: Headers{"X-Plan": "free", "X-Key": "k"}, Authentication: Authentication{Username: "u"}},
		{Name: "b", URL: "http://b", Headers: Headers{"X-Plan": "gold", "X-Key": "k"}, Authentication: Authentication{BearerToken: "t"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if rest.Recovery != 7*time.Second || rest.HealthCheck.Interval != 3*time.Second || rest.HealthCheck.Unhealthy != 3 || rest.MaxRetries != 1 {
		t.Errorf("got recovery %s, check %+v, %d retries", rest.Recovery, rest.HealthCheck, rest.MaxRetries)
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	cfg, problems := at(t, "  eth:\n", "  base: &base\n    timeout: 7s\n    forward_pocket_headers: true\n    backends: {jsonrpc: {url: http://b}}\n  eth:\n    <<: *base\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	eth := cfg.Services["eth"]
	if !eth.ForwardPocketHeaders || eth.Timeout != 3*time.Second || len(eth.Backends) != 2 {
		t.Errorf("got %+v, want the merged header setting, its own timeout and its own backends", eth)
	}
}

func TestDefaultBackend(t *testing.T) {
	cfg, problems := at(t, "    default_backend: jsonrpc\n", "", "      jsonrpc: {url: \"http://localhost:9545\", headers: {X-Key: abc}}\n", "")
	if len(problems) > 0 || cfg.Services["eth"].DefaultBackend != "rest" {
		t.Errorf("got %v, want the only backend to be the default", problems)
	}
}

// A dollar sign is common in passwords.
func TestDollarWithoutBraces(t *testing.T) {
	cfg, problems := at(t, "${TEST_REDIS_PASSWORD}", "pa$word$TEST_REDIS_PASSWORD")
	if want := "redis://:pa$word$TEST_REDIS_PASSWORD@localhost:6379/0"; len(problems) > 0 || cfg.Redis.URL.Reveal() != want {
		t.Errorf("got %q, %v, want %q", cfg.Redis.URL.Reveal(), problems, want)
	}
}

// Neither a problem nor a printed configuration shows a secret.
func TestNoSecretInOutput(t *testing.T) {
	const secret = "hunter2"
	broken := []string{
		"redis: {url: \"redis://:hunter2@h\", url: \"redis://:hunter2@h\"}",
		"redis: {url: \"hunter2://:hunter2@h\"}",
		"redis: {url: \"redis://:hunter2@h:6379\"\nkeys: {",
		"redis:\n  url: redis://:hunter2@h\n keys: x",
		"services: {a: {backends: {rest: {headers: {X: \"hunter2\\n\"}}}}}",
		"services: {a: {backends: {rest: {authentication: {password: [hunter2]}}}}}",
		"services: {a: {backends: {rest: {url: \"ftp://hunter2@h\"}}}}",
	}
	for _, text := range broken {
		if _, err := parse("f", []byte(text), RoleAny); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	cfg, problems := at(t, "${TEST_REDIS_PASSWORD}", secret, "{X-Key: abc}", "{X-Key: "+secret+"}, authentication: {password: "+secret+"}")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	bz, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(bz), fmt.Sprintf("%v %+v %#v", cfg, *cfg, *cfg)} {
		if strings.Contains(text, secret) {
			t.Errorf("shows the secret: %s", text)
		}
	}
}

func TestHash(t *testing.T) {
	hash := func(change ...string) string {
		t.Helper()
		cfg, problems := at(t, change...)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return cfg.Hash()
	}
	base := hash()
	same := map[string][]string{
		"another node":        {"node_id: m1", "node_id: m2", "bind: 127.0.0.1:7001", "bind: 127.0.0.1:7002"},
		"another directory":   {"data_dir: data", "data_dir: /elsewhere"},
		"another password":    {"${TEST_REDIS_PASSWORD}", "other"},
		"another header":      {"X-Key: abc", "X-Key: def"},
		"a default spelt out": {"gas_price: 0.002upokt", "gas_price: 0.002upokt, gas_adjustment: 1.5"},
	}
	for name, change := range same {
		if got := hash(change...); got != base {
			t.Errorf("%s: the hash differs", name)
		}
	}
	other := map[string][]string{
		"partitions": {"partitions: 8", "partitions: 9"},
		"redis":      {"localhost:6379", "localhost:6380"},
		"gas price":  {"0.002upokt", "0.003upokt"},
		"backend":    {"9545", "9547"},
		"peers":      {"7003", "7004"},
	}
	for name, change := range other {
		if got := hash(change...); got == base {
			t.Errorf("%s: the hash is the same", name)
		}
	}
}

func TestSecretFileWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(path, []byte("keys: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := SecretFileWarnings(path); got != nil {
		t.Errorf("got %v, want none", got)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := SecretFileWarnings(path); len(got) != 1 || !strings.Contains(got[0].Message, "0640") {
		t.Errorf("got %v, want one about 0640", got)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"id", "url", "headers", "heartbeat_timeout"}
	tests := map[string]string{
		"ulr": `, did you mean "url"?`, "idd": `, did you mean "id"?`, "header": `, did you mean "headers"?`,
		"hartbeat_timout": `, did you mean "heartbeat_timeout"?`, "tls": "", "x": "", "timeout": "",
	}
	for word, want := range tests {
		if got := didYouMean(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestKeySources(t *testing.T) {
	const line, address = "keys: {keys_file: keys.yaml}", "pokt1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn7swwdp"
	for name, test := range map[string]struct{ section, want string }{
		"none":                    {"keys: {hot_reload_enabled: false}", "f:7: keys: needs a source: keys_file, keys_dir, keyring, age or mnemonic"},
		"all":                     {"keys: {keys_file: k, keys_dir: d, keyring: {backend: test, dir: h}, age: {file: a, identity_file: i}, mnemonic: {file: m, count: 3}, retired: [" + address + "]}", ""},
		"os keyring":              {"keys: {keyring: {backend: os}}", ""},
		"unknown backend":         {"keys: {keyring: {backend: files, dir: h, passphrase_env: P}}", `f:7: keys.keyring.backend: "files" is not one of file, os, test, did you mean "file"?`},
		"no backend":              {"keys: {keys_file: k, keyring: {dir: h}}", "f:7: keys.keyring.backend: is required: file, os or test"},
		"keyring without a place": {"keys: {keyring: {backend: test}}", "f:7: keys.keyring.dir: is required with backend test"},
		"locked keyring":          {"keys: {keyring: {backend: file, dir: h}}", "f:7: keys.keyring: needs one of passphrase_file and passphrase_env"},
		"two passphrases":         {"keys: {keyring: {backend: file, dir: h, passphrase_file: p, passphrase_env: P}}", "f:7: keys.keyring: needs one of passphrase_file and passphrase_env"},
		"locked age":              {"keys: {age: {file: a}}", "f:7: keys.age: needs one of identity_file, passphrase_file and passphrase_env"},
		"age without a file":      {"keys: {keys_file: k, age: {identity_file: i}}", "f:7: keys.age.file: is required"},
		"no words":                {"keys: {keys_file: k, mnemonic: {count: 3}}", "f:7: keys.mnemonic.file: is required"},
		"no range":                {"keys: {mnemonic: {file: m}}", "f:7: keys.mnemonic.count: is 0, must be from 1 to 100000"},
		"range too far":           {"keys: {mnemonic: {file: m, count: 1, first: 2147483647}}", "f:7: keys.mnemonic.first: is 2147483647, must be from 0 to 2147483646"},
		"retired nobody":          {"keys: {keys_file: k, retired: [me]}", `f:7: keys.retired[0]: "me" is not an address`},
		"retired of another chain": {
			"keys: {keys_file: k, retired: [cosmos1qyqszqgpqyqszqgpqyqszqgpqyqszqgpjnp7du]}",
			`f:7: keys.retired[0]: "cosmos1qyqszqgpqyqszqgpqyqszqgpqyqszqgpjnp7du" has the prefix cosmos, must be pokt`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := at(t, line, test.section)
			if got := strings.Join(problems, "\n"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
