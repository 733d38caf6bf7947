package chain

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func runFeed(t *testing.T, client *Client) *Feed {
	t.Helper()
	feed := NewFeed(client, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = feed.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return feed
}

// height makes every question another one: answers are cached.
var height atomic.Int64

func question(t *testing.T, client *Client) error {
	t.Helper()
	_, err := client.SharedParams(context.Background(), height.Add(1))
	return err
}

// Whatever happens to one of three nodes, no question fails, and before long the
// node is asked no more. Once it is well it is asked again.
func TestBadNodeIsLeftOut(t *testing.T) {
	for name, fault := range map[string]struct{ harm, heal func(bad *fakeNode) }{
		"hangs":         {func(n *fakeNode) { n.hangs = true }, func(n *fakeNode) { n.hangs = false }},
		"is behind":     {func(n *fakeNode) { n.height -= maxBehind + 1 }, func(n *fakeNode) { n.height = 100 }},
		"another chain": {func(n *fakeNode) { n.chainID = "other" }, func(n *fakeNode) { n.chainID = "test" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good, spare := newFakeNode(t), newFakeNode(t), newFakeNode(t)
			client, feed := newFleet(t, bad, good, spare)
			asked := func() int { n, _ := bad.questions(); return n }
			if err := question(t, client); err != nil || asked() != 1 {
				t.Fatalf("%v; the first node was asked %d times, want 1", err, asked())
			}
			bad.set(fault.harm)
			for range 20 { // before and while it is noticed
				if err := question(t, client); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "it is judged", func() bool { return client.nodes.judge(client.nodes.list[0]) != nil })
			before := asked()
			for range 20 {
				if err := question(t, client); err != nil {
					t.Fatal(err)
				}
			}
			if got := asked(); got != before {
				t.Errorf("it was asked %d times more", got-before)
			}
			if err := feed.Err(); err != nil {
				t.Errorf("the feed is lost: %v", err)
			}
			bad.set(fault.heal)
			eventually(t, "it is asked again", func() bool { return question(t, client) == nil && asked() > before })
		})
	}
}

// A node dies for good, in the middle of things.
func TestDeadNodeCostsNothing(t *testing.T) {
	dead, good := newFakeNode(t), newFakeNode(t)
	client, feed := newFleet(t, dead, good)
	dead.grpc.Stop()
	dead.rpc.CloseClientConnections()
	dead.rpc.Listener.Close()
	for range 200 {
		if err := question(t, client); err != nil {
			t.Fatal(err)
		}
	}
	good.set(func(n *fakeNode) { n.height = 107 })
	eventually(t, "the feed moves on", func() bool { return feed.Latest().Height == 107 })
}

// With nobody left the error says of each node why.
func TestNobodyLeft(t *testing.T) {
	a, b := newFakeNode(t), newFakeNode(t)
	client, feed := newFleet(t, a, b)
	a.grpc.Stop()
	b.grpc.Stop()
	err := question(t, client)
	if !errors.Is(err, ErrNoNode) || !strings.Contains(err.Error(), "chain.nodes[0]") || !strings.Contains(err.Error(), "chain.nodes[1]") {
		t.Errorf("got %v", err)
	}
	eventually(t, "the feed says so", func() bool { return feed.Err() != nil })
}

func TestBroadcast(t *testing.T) {
	tests := map[string]struct {
		harm  func(first, second *fakeNode)
		want  error
		least int // nodes that got it
	}{
		"all well":                 {func(_, _ *fakeNode) {}, nil, 1},
		"one hangs":                {func(a, _ *fakeNode) { a.hangs = true }, nil, 1},
		"one refuses":              {func(a, _ *fakeNode) { a.refuses = "no fee" }, nil, 1},
		"both refuse":              {func(a, b *fakeNode) { a.refuses, b.refuses = "no fee", "no fee" }, ErrTxRefused, 2},
		"one is dead":              {func(a, _ *fakeNode) { a.rpc.Listener.Close(); a.rpc.CloseClientConnections() }, nil, 1},
		"one is dead, one refuses": {func(a, b *fakeNode) { a.rpc.Listener.Close(); a.rpc.CloseClientConnections(); b.refuses = "no fee" }, ErrTxRefused, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := newFakeNode(t), newFakeNode(t)
			client, _ := newFleet(t, first, second)
			first.mu.Lock()
			second.mu.Lock()
			test.harm(first, second)
			first.mu.Unlock()
			second.mu.Unlock()
			if err := client.Broadcast(context.Background(), []byte("tx")); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			_, a := first.questions()
			_, b := second.questions()
			if a+b < test.least {
				t.Errorf("%d nodes got it, want %d", a+b, test.least)
			}
		})
	}
}

// Each side of a layout with sentries is asked for what it is for.
func TestUses(t *testing.T) {
	reads, sends := newFakeNode(t), newFakeNode(t)
	list := []Node{sends.node(), reads.node()}
	list[0].Use, list[1].Use = UseBroadcast, UseRead
	client, err := Dial("test", list, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := errors.Join(question(t, client), client.Broadcast(context.Background(), []byte("tx"))); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(reads.questions())
	if got += fmt.Sprint(sends.questions()); got != "1 00 1" {
		t.Errorf("got %s", got)
	}
	if _, err := Dial("test", list[:1], Options{}); err == nil {
		t.Error("nodes that nothing can be read from are taken")
	}
}

// What is wrong with a node is said in terms of the settings.
func TestCheckNamesTheSetting(t *testing.T) {
	well := newFakeNode(t)
	foreign := newFakeNode(t)
	foreign.chainID = "other"
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	expired := expiredServer(t)
	oldProxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: well.addr}))
	defer oldProxy.Close()
	blank := grpc.NewServer()
	defer blank.Stop()
	unknowing := newFakeNode(t)
	unknowing.grpc.Stop()
	unknowing.addr = serveGRPC(t, blank)
	https := func(url string) string { return strings.Replace(url, "http://", "https://", 1) }
	for name, test := range map[string]struct {
		node Node
		want []string
	}{
		"well":                      {well.node(), nil},
		"another chain":             {foreign.node(), []string{"chain.nodes[0].rpc", `"other"`, `"test"`}},
		"gRPC port is HTTP":         {Node{RPC: well.rpc.URL, GRPC: plain.URL}, []string{"chain.nodes[0].grpc", "does not speak HTTP/2"}},
		"gRPC without TLS":          {Node{RPC: well.rpc.URL, GRPC: https(well.node().GRPC)}, []string{"chain.nodes[0].grpc", "does not speak TLS"}},
		"gRPC with unknown CA":      {Node{RPC: well.rpc.URL, GRPC: secure.URL}, []string{"chain.nodes[0].grpc", "nobody this machine trusts"}},
		"gRPC behind an old proxy":  {Node{RPC: well.rpc.URL, GRPC: oldProxy.URL}, []string{"chain.nodes[0].grpc", "a proxy in between has no HTTP/2"}},
		"gRPC certificate expired":  {Node{RPC: well.rpc.URL, GRPC: expired.URL}, []string{"chain.nodes[0].grpc", "certificate has expired"}},
		"RPC certificate expired":   {Node{RPC: expired.URL, GRPC: well.node().GRPC}, []string{"chain.nodes[0].rpc", "certificate has expired"}},
		"a query is missing":        {unknowing.node(), []string{"chain.nodes[0].grpc", "does not know this query"}},
		"RPC without TLS":           {Node{RPC: https(well.rpc.URL), GRPC: well.node().GRPC}, []string{"chain.nodes[0].rpc", "does not speak TLS"}},
		"RPC is another web server": {Node{RPC: plain.URL, GRPC: well.node().GRPC}, []string{"chain.nodes[0].rpc", "not a CometBFT RPC port"}},
		"nobody listens":            {Node{RPC: "http://127.0.0.1:1", GRPC: well.node().GRPC}, []string{"chain.nodes[0].rpc", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := Dial("test", []Node{test.node}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			got := fmt.Sprint(client.Check(ctx)[0].Err)
			if test.want == nil && got != "<nil>" {
				t.Errorf("got %s", got)
			}
			for _, part := range test.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q does not say %q", got, part)
				}
			}
		})
	}
}

// A proxy that speaks TLS, and then only HTTP/1.1.
func TestCheckNamesAProxyWithoutHTTP2(t *testing.T) {
	proxy := httptest.NewTLSServer(http.NotFoundHandler())
	defer proxy.Close()
	client, err := Dial("test", []Node{newFakeNode(t).node()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	trust := x509.NewCertPool()
	trust.AddCert(proxy.Certificate())
	behind, err := grpc.NewClient(proxy.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trust})))
	if err != nil {
		t.Fatal(err)
	}
	direct := client.nodes.list[0].grpc
	defer direct.Close()
	client.nodes.list[0].grpc = behind
	got := fmt.Sprint(client.Check(t.Context())[0].Err)
	for _, part := range []string{"chain.nodes[0].grpc", "a proxy in between has no HTTP/2"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q does not say %q", got, part)
		}
	}
}

// expiredServer is a server whose certificate was good until yesterday.
func expiredServer(t *testing.T) *httptest.Server {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	made := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: yesterday.Add(-time.Hour), NotAfter: yesterday, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
