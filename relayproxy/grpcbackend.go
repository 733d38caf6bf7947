package relayproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// A relay to a gRPC backend carries the HTTP/2 request that gRPC is: the method as
// its path, the framed message as its body. Trailers come back among the headers.

// newHTTP2Client speaks to a gRPC backend, in the clear unless its scheme is secure.
func newHTTP2Client(u *url.URL) *http2.Transport {
	transport := &http2.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableCompression: true}
	if u.Scheme == "https" {
		return transport
	}
	transport.AllowHTTP = true
	transport.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		return dialer.DialContext(ctx, network, addr)
	}
	return transport
}

// httpScheme is the scheme that a gRPC backend is spoken to with.
func httpScheme(u *url.URL) *url.URL {
	plain := *u
	switch u.Scheme {
	case "grpc":
		plain.Scheme = "http"
	case "grpcs":
		plain.Scheme = "https"
	}
	return &plain
}

// callGRPC sends a relay to a gRPC backend and returns the payload of the answer and
// the HTTP status that stands for its outcome.
func (rt *route) callGRPC(ctx context.Context, r *relay) (payload []byte, status int, refusal *Refusal) {
	ctx, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	m, refusal := rt.backends.ask(rt.metrics.retried.Inc, func(u *upstream) (a attempt) {
		payload, status, a = u.callGRPC(ctx, r)
		return a
	})
	if refusal != nil {
		return nil, 0, refusal
	}
	m.Release()
	return payload, status, nil
}

func (u *upstream) callGRPC(ctx context.Context, r *relay) (payload []byte, status int, a attempt) {
	req, refusal := u.buildHTTP2(ctx, r)
	if refusal != nil {
		return nil, 0, attempt{refusal: refusal}
	}
	began := time.Now()
	res, body, err := u.roundTrip(req, r.held, r.route.limits.MaxResponseBody)
	r.route.metrics.backend(outcomeOf(err)).Observe(time.Since(began).Seconds())
	if err != nil {
		return nil, 0, failedAttempt(err, false)
	}
	payload, refusal = encodeResponse(res.StatusCode, grpcHeaders(res), body)
	status = statusOfGRPC(res)
	return payload, status, attempt{refusal: refusal, result: resultOf(status)}
}

func (u *upstream) roundTrip(req *http.Request, h *held, limit int) (*http.Response, []byte, error) {
	res, err := u.grpc.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := h.read(res.Body, -1, limit)
	return res, body, err
}

// buildHTTP2 is the backend request of a relay, as build makes it.
func (u *upstream) buildHTTP2(ctx context.Context, r *relay) (*http.Request, *Refusal) {
	built := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(built)
	if refusal := u.build(built, r); refusal != nil {
		return nil, refusal
	}
	req, err := http.NewRequestWithContext(ctx, string(built.Header.Method()), string(built.RequestURI()), bytes.NewReader(bytes.Clone(built.Body())))
	if err != nil {
		return nil, refuseFor(ReasonInvalidRequest, err, "the payload's URL is refused")
	}
	for key, value := range built.Header.All() {
		if name := string(key); forwardable(name) {
			req.Header.Add(name, string(value))
		}
	}
	req.Header.Set("Te", "trailers")
	return req, nil
}

// grpcHeaders are the end-to-end headers and the trailers of an answer.
func grpcHeaders(res *http.Response) map[string]*sdktypes.Header {
	out := make(map[string]*sdktypes.Header)
	for _, source := range []http.Header{res.Header, res.Trailer} {
		for key, values := range source {
			if forwardable(key) {
				out[key] = &sdktypes.Header{Key: key, Values: values}
			}
		}
	}
	return out
}

// statusOfGRPC tells backends that failed from those that answered: what a failing
// one says is passed on, and not charged for.
func statusOfGRPC(res *http.Response) int {
	word := res.Trailer.Get("Grpc-Status")
	if word == "" {
		word = res.Header.Get("Grpc-Status") // an answer without a body
	}
	code, err := strconv.Atoi(strings.TrimSpace(word))
	if err != nil {
		return res.StatusCode
	}
	switch codes.Code(code) {
	case codes.Unavailable, codes.Internal, codes.DeadlineExceeded, codes.DataLoss, codes.Unknown:
		return http.StatusServiceUnavailable
	}
	return res.StatusCode
}
