package relayproxy

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http2"
)

// Connection limits of a backend. Node.js closes idle connections after 5 s; a
// POST that meets such a close cannot be sent again, so ours are closed first.
const (
	maxConnsPerBackend = 2048
	maxIdleConn        = 4 * time.Second
	dialTimeout        = 3 * time.Second
	maxResponseHeader  = 64 << 10
)

// upstream sends relays to one backend.
type upstream struct {
	target        target
	host          string
	url           string               // of a WebSocket
	client        *fasthttp.HostClient // of HTTP backends
	grpc          *http2.Transport     // of gRPC backends
	headers       map[string]string
	authorization string
	pocketHeaders bool
}

func newUpstream(rpcType RPCType, b Backend, s Service) (*upstream, error) {
	t, u, err := newTarget(b.URL)
	if err != nil {
		return nil, err
	}
	up := &upstream{
		target: t, host: u.Host, url: u.String(), headers: b.Headers, authorization: b.Authorization, pocketHeaders: s.ForwardPocketHeaders,
	}
	switch {
	case rpcType == RPCGRPC:
		u = httpScheme(u)
		up.target.origin, up.grpc = u.Scheme+"://"+u.Host, newHTTP2Client(u)
	case rpcType == RPCWebSocket && (u.Scheme == "ws" || u.Scheme == "wss"):
	case u.Scheme == "http" || u.Scheme == "https":
		up.client = newHostClient(u, s)
	default:
		return nil, fmt.Errorf("backend url has scheme %q", u.Scheme)
	}
	return up, nil
}

func newHostClient(u *url.URL, s Service) *fasthttp.HostClient {
	secure := u.Scheme == "https"
	return &fasthttp.HostClient{
		Addr:                     fasthttp.AddMissingPort(u.Host, secure),
		IsTLS:                    secure,
		TLSConfig:                &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()},
		Dial:                     dialBackend,
		MaxConns:                 maxConnsPerBackend,
		MaxIdleConnDuration:      maxIdleConn,
		ConnPoolStrategy:         fasthttp.LIFO,
		MaxResponseBodySize:      s.MaxResponseBody,
		ReadBufferSize:           maxResponseHeader,
		NoDefaultUserAgentHeader: true,
		DisablePathNormalizing:   true,
	}
}
