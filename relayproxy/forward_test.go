package relayproxy

import (
	"encoding/base64"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
)

func TestTargetJoin(t *testing.T) {
	for _, tc := range []struct {
		backend, client, want string
	}{
		{"http://b:1", "/", "http://b:1/"},
		{"http://b:1", "", "http://b:1/"},
		{"http://b:1", "http://gateway/x?y=1", "http://b:1/x?y=1"},
		{"http://b:1/", "users", "http://b:1/users"},
		{"http://b:1/api/v1", "/", "http://b:1/api/v1"},
		{"http://b:1/api/v1", "/users", "http://b:1/api/v1/users"},
		{"http://b:1/api/v1/", "/users/", "http://b:1/api/v1/users/"},
		{"http://b:1/api?key=abc", "/u?page=1", "http://b:1/api/u?page=1&key=abc"},
		{"http://b:1/api?key=abc", "/u", "http://b:1/api/u?key=abc"},
		{"http://b:1", "//evil.com//x", "http://b:1/x"},
		{"http://b:1", "http://user:pw@evil.com:99/x#f", "http://b:1/x"},
		{"http://b:1", "https://169.254.169.254/latest", "http://b:1/latest"},
		{"http://b:1", "/a//b/./c", "http://b:1/a/b/c"},
		{"http://b:1", "/a%2Fb", "http://b:1/a%2Fb"},
		{"http://b:1", "/a..b/...", "http://b:1/a..b/..."},
		{"http://b:1", "/x?q=a b&r=é", "http://b:1/x?q=a%20b&r=%C3%A9"},
		{"http://b:1", "/x?q=1+1&q=2", "http://b:1/x?q=1+1&q=2"},
	} {
		base, _, err := newTarget(tc.backend)
		if err != nil {
			t.Fatalf("%s: %v", tc.backend, err)
		}
		if got, err := base.join(tc.client); err != nil || got != tc.want {
			t.Errorf("%s + %s: got %q, %v, want %q", tc.backend, tc.client, got, err, tc.want)
		}
	}
}

func TestTargetJoinRefuses(t *testing.T) {
	base, _, err := newTarget("http://b:1/api")
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{
		"/..", "/../admin", "/a/../../b", "/a/%2e%2e/b", "/a/%2E./b", "/a%2f..%2fb", "/a/..%5cb", `/a/..\b`, "/%252e%252e/x",
		"/%25252e%25252e/x", "/..;/x", "/a\r\nHost: evil", "/\x00", "http://[::1", "mailto:x", "%zz",
	} {
		if got, err := base.join(client); err == nil {
			t.Errorf("%q: joined to %q, want a refusal", client, got)
		}
	}
}

func FuzzTargetJoin(f *testing.F) {
	base, _, err := newTarget("http://backend:1/api?key=abc")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"/", "/a/../b", "http://evil/x?y", "//e", "/%2e%2e/", "?q= \r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, client string) {
		joined, err := base.join(client)
		if err != nil {
			return
		}
		var uri fasthttp.URI
		uri.DisablePathNormalizing = true
		if err := uri.Parse(nil, []byte(joined)); err != nil {
			t.Fatalf("%q: joined to %q, which does not parse: %v", client, joined, err)
		}
		if host := string(uri.Host()); host != "backend:1" || string(uri.Scheme()) != "http" {
			t.Errorf("%q: goes to %s://%s", client, uri.Scheme(), host)
		}
		for i := range len(joined) {
			if joined[i] <= ' ' || joined[i] >= 0x7f {
				t.Fatalf("%q: joined to %q", client, joined)
			}
		}
	})
}

// seen is what a backend saw of a request.
type seen struct {
	method, uri, host, body string
	headers                 map[string]string
}

func observe(w *world, into *seen) {
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		*into = seen{string(ctx.Method()), string(ctx.Request.Header.RequestURI()), string(ctx.Host()), string(ctx.PostBody()), map[string]string{}}
		for k, v := range ctx.Request.Header.All() {
			into.headers[string(k)] += string(v) + ";"
		}
		ctx.Response.Header.Add("X-Twice", "1")
		ctx.Response.Header.Add("X-Twice", "2")
		ctx.Response.Header.Set("Keep-Alive", "5")
		ctx.SetBodyString("ok")
	})
}

func TestTheBackendSeesWhatTheClientSigned(t *testing.T) {
	w := newWorld(t)
	var got seen
	observe(w, &got)
	service := w.config.Services[testService]
	service.ForwardPocketHeaders = true
	rest := &service.Backends[RPCREST].Backends[0]
	rest.Authorization = BasicAuth("user", "secret")
	rest.Headers = map[string]string{"X-Api-Key": "ours"}
	w.config.Services[testService] = service
	_, url := w.start()

	header := func(k string, v ...string) *sdktypes.Header { return &sdktypes.Header{Key: k, Values: v} }
	in := &sdktypes.POKTHTTPRequest{Method: "PUT", Url: "https://x/v1/items?page=2", BodyBz: []byte("body"), Header: map[string]*sdktypes.Header{
		"Accept": header("Accept", "text/plain"), "X-Many": header("X-Many", "a", "b"), "X-Api-Key": header("X-Api-Key", "theirs"),
		"Authorization": header("Authorization", "Bearer theirs"), "Pocket-Supplier": header("Pocket-Supplier", "spoofed"),
		"Host": header("Host", "evil.com"), "Transfer-Encoding": header("Transfer-Encoding", "chunked"),
		"Connection": header("Connection", "close, X-Hop"), "X-Hop": header("X-Hop", "1"), "Bad Name": header("Bad Name", "1"), "X-Bad": header("X-Bad", "a\r\nb"),
	}}
	_, res := post(t, url, w.sign(w.request(in)), "Rpc-Type", "4")
	if res.RelayMinerError != nil {
		t.Fatalf("refused: %v", res.RelayMinerError)
	}
	if want := "/rest/v1/items?page=2&key=abc"; got.method != "PUT" || got.uri != want || got.body != "body" || "http://"+got.host != w.backend.url {
		t.Errorf("backend saw %s %s at %s with %q, want PUT %s", got.method, got.uri, got.host, got.body, want)
	}
	for key, want := range map[string]string{
		"Accept": "text/plain;", "X-Many": "a;b;", "X-Api-Key": "ours;",
		"Authorization":   "Basic " + base64.StdEncoding.EncodeToString([]byte("user:secret")) + ";",
		"Pocket-Supplier": w.supplier.Address() + ";", "Pocket-Service": testService + ";", "Pocket-Application": w.app + ";",
		"Pocket-Session-Id": "session-1;", "Pocket-Session-Start-Height": "41;", "Pocket-Session-End-Height": "50;",
		"X-Hop": "", "Bad Name": "", "X-Bad": "", "Transfer-Encoding": "", "Connection": "", "Content-Type": "",
	} {
		if got.headers[key] != want {
			t.Errorf("header %s: backend saw %q, want %q", key, got.headers[key], want)
		}
	}
	answer := backendAnswer(t, res)
	if twice := answer.Header["X-Twice"].GetValues(); len(twice) != 2 || answer.Header["Keep-Alive"] != nil {
		t.Errorf("answer has headers %v", answer.Header)
	}
}

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	var got seen
	observe(w, &got)
	_, url := w.start()
	for _, tc := range []struct{ header, want string }{
		{"", "/"}, {"3", "/"}, {"4", "/rest?key=abc"}, {"5", "/"},
	} {
		var headers []string
		if tc.header != "" {
			headers = []string{"Rpc-Type", tc.header}
		}
		if _, res := post(t, url, w.signed("{}"), headers...); res.RelayMinerError != nil {
			t.Fatalf("Rpc-Type %q: refused: %v", tc.header, res.RelayMinerError)
		}
		if got.uri != tc.want {
			t.Errorf("Rpc-Type %q: backend saw %s, want %s", tc.header, got.uri, tc.want)
		}
		if got.headers["Pocket-Supplier"] != "" {
			t.Error("Pocket headers are forwarded without being asked for")
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	backend := one("http://b")
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"nothing", Config{}},
		{"no backend", Config{Services: map[string]Service{"a": {}}}},
		{"unknown type", Config{Services: map[string]Service{"a": {Backends: map[RPCType]Pool{9: backend}}}}},
		{"no host", Config{Services: map[string]Service{"a": {Backends: map[RPCType]Pool{RPCJSON: one("/x")}}}}},
		{"odd scheme", Config{Services: map[string]Service{"a": {Backends: map[RPCType]Pool{RPCJSON: one("file://b/x")}}}}},
		{"ambiguous default", Config{Services: map[string]Service{"a": {Backends: map[RPCType]Pool{RPCREST: backend, RPCComet: backend}}}}},
	} {
		w := newWorld(t)
		if _, err := New(tc.cfg, Deps{Signers: w.signers, Registerer: w.registry}); err == nil {
			t.Errorf("%s: accepted", tc.name)
		}
	}
}
