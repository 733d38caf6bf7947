package relayproxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/raftminer/raftminer/relayproxy/certificate/certtest"
)

// secure has the world's port take TLS, and its clients trust the certificate.
func (w *world) secure(p Protocol) {
	w.t.Helper()
	authority := certtest.New(w.t)
	pair, err := tls.X509KeyPair(authority.Issue(1, time.Now()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.trust = &tls.Config{RootCAs: authority.Pool()}
	w.port = Port{Protocol: p, Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }}
}

// listen opens a port on loopback, and tells its URL.
func (w *world) listen(p Port) (port Port, url string) {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatalf("listen: %v", err)
	}
	p.Listener, p.Name = ln, "test"
	scheme := "http://"
	if p.Certificate != nil {
		scheme = "https://"
	}
	return p, scheme + ln.Addr().String()
}

func hostOf(url string) string {
	_, host, _ := strings.Cut(url, "://")
	return host
}

// connect opens a bare connection.
func (w *world) connect(url string) (net.Conn, error) {
	if w.trust != nil {
		return tls.Dial("tcp", hostOf(url), w.trust)
	}
	return net.Dial("tcp", hostOf(url))
}

// httpClient would rather speak HTTP/2, as Go's clients would.
func (w *world) httpClient() *http.Client {
	transport := &http.Transport{TLSClientConfig: w.trust, ForceAttemptHTTP2: true}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// postSecurely sends a relay as gateways do.
func (w *world) postSecurely(url string, body []byte) *servicetypes.RelayResponse {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set(headerRPCType, "3")
	res, err := w.httpClient().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	out := new(servicetypes.RelayResponse)
	if err != nil || out.Unmarshal(raw) != nil || res.ProtoMajor != 1 {
		w.t.Fatalf("%s: got %q, %v", res.Proto, raw, err)
	}
	return out
}

func (w *world) grpcConn(url string) *grpc.ClientConn {
	w.t.Helper()
	secure := insecure.NewCredentials()
	if w.trust != nil {
		secure = credentials.NewTLS(w.trust)
	}
	conn, err := grpc.NewClient(hostOf(url), grpc.WithTransportCredentials(secure), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// bytesCodec passes messages through as they are.
type bytesCodec struct{}

// Marshal implements encoding.CodecV2.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("encode %T as bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("decode bytes as %T", v)
	}
	*b = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2: what is on the wire is protobuf.
func (bytesCodec) Name() string { return "proto" }
