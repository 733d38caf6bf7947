package relayproxy

import (
	"errors"
	"net"
	"net/http"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"
)

// exchange sends an HTTP relay to its backend and returns the payload of the
// answer, a serialized POKTHTTPResponse, and the backend's status.
func (u *upstream) exchange(r *relay) (payload []byte, status int, refusal *Refusal) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	if refusal := u.build(req, r); refusal != nil {
		return nil, 0, refusal
	}
	began := time.Now()
	err := u.client.DoDeadline(req, res, r.deadline)
	outcome := outcomeOf(err)
	r.route.metrics.backend(outcome).Observe(time.Since(began).Seconds())
	if err != nil {
		return nil, 0, refuseFor(outcome.reason(), err, outcome.detail())
	}
	status = res.StatusCode()
	if len(res.Body()) == 0 && !mayBeEmpty(req, status) {
		return nil, 0, refuse(ReasonEmptyResponse, "the backend answered %d with an empty body", status)
	}
	if payload, err = encodeResponse(res); err != nil {
		return nil, 0, refuseFor(ReasonSign, err, "the backend's answer cannot be serialized")
	}
	return payload, status, nil
}

// build makes the backend request of a relay. What is inside the signed payload
// decides; the outer POST's path, method and headers do not.
func (u *upstream) build(req *fasthttp.Request, r *relay) *Refusal {
	var in sdktypes.POKTHTTPRequest
	if err := proto.Unmarshal(r.req.Payload, &in); err != nil {
		return refuseFor(ReasonMalformed, err, "the payload is not an HTTP request")
	}
	method, refusal := methodOf(&in)
	if refusal != nil {
		return refusal
	}
	uri, err := u.target.join(in.Url)
	if err != nil {
		return refuse(ReasonInvalidRequest, "the payload's URL is refused: %v", err)
	}
	req.Header.SetNoDefaultContentType(true)
	req.URI().DisablePathNormalizing = true
	req.SetRequestURI(uri)
	req.Header.SetMethod(method)
	copyRequestHeaders(&req.Header, in.Header)
	if u.pocketHeaders {
		setPocketHeaders(&req.Header, &r.req.Meta)
	}
	if u.authorization != "" {
		req.Header.Set(fasthttp.HeaderAuthorization, u.authorization)
	}
	for key, value := range u.headers {
		req.Header.Set(key, value)
	}
	req.SetBodyRaw(in.BodyBz)
	return nil
}

func methodOf(in *sdktypes.POKTHTTPRequest) (string, *Refusal) {
	switch {
	case in.Method == "" && len(in.BodyBz) > 0:
		return http.MethodPost, nil
	case in.Method == "":
		return http.MethodGet, nil
	case !httpguts.ValidHeaderFieldName(in.Method) || in.Method == http.MethodConnect || in.Method == http.MethodTrace:
		return "", refuse(ReasonInvalidRequest, "HTTP method %q", clip(in.Method))
	}
	return in.Method, nil
}

// mayBeEmpty reports whether an empty body is an answer. Otherwise gateways
// call it a failure wearing a success envelope and hold it against the
// supplier. A failing status is passed through with what body it has.
func mayBeEmpty(req *fasthttp.Request, status int) bool {
	switch status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return true
	}
	return req.Header.IsHead() || status >= http.StatusBadRequest
}

// encodeResponse serializes a backend's answer, deterministically as poktroll
// does (pkg/relayer/proxy/http_utils.go).
func encodeResponse(res *fasthttp.Response) ([]byte, error) {
	out := &sdktypes.POKTHTTPResponse{
		StatusCode: uint32(res.StatusCode()),
		Header:     responseHeaders(&res.Header),
		BodyBz:     res.Body(),
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(out)
}

// outcome of a backend call, a metric label.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeUnreachable
	outcomeTimeout
	outcomeTooLarge
	outcomeCount
)

func (o outcome) String() string {
	return [outcomeCount]string{"ok", "unreachable", "timeout", "too_large"}[o]
}

func (o outcome) reason() Reason {
	return [outcomeCount]Reason{outcomeUnreachable: ReasonBackendUnreachable, outcomeTimeout: ReasonBackendTimeout, outcomeTooLarge: ReasonResponseTooLarge}[o]
}

func (o outcome) detail() string {
	return [outcomeCount]string{
		outcomeUnreachable: "the backend did not answer",
		outcomeTimeout:     "the backend did not answer in time",
		outcomeTooLarge:    "the backend's answer is larger than this service allows",
	}[o]
}

func outcomeOf(err error) outcome {
	var dial *net.OpError
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return outcomeTooLarge
	case errors.Is(err, fasthttp.ErrDialTimeout), errors.As(err, &dial) && dial.Op == "dial":
		return outcomeUnreachable
	case errors.Is(err, fasthttp.ErrTimeout), isTimeout(err):
		return outcomeTimeout
	}
	return outcomeUnreachable
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
