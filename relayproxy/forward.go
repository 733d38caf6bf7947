package relayproxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// exchange is one HTTP request to a backend and its answer. It must be closed.
type exchange struct {
	req      *fasthttp.Request
	res      *fasthttp.Response
	member   *pool.Member // whose answer it is; nil before one has answered
	conn     net.Conn
	giveBack func(reuse bool) // the connection; nil while there is none
	unwatch  func() bool      // whether nobody cut the connection
	whole    bool             // the answer is read to its end
}

func (e *exchange) close() {
	e.endCall()
	if e.member != nil {
		e.member.Release()
		e.member = nil
	}
	fasthttp.ReleaseRequest(e.req)
	fasthttp.ReleaseResponse(e.res)
}

// isRead reports whether the request can be sent twice without harm.
func (e *exchange) isRead() bool { return e.req.Header.IsGet() || e.req.Header.IsHead() }

// start sends an HTTP relay to a backend and returns when the answer's header has
// arrived. The exchange is cut when ctx ends.
func (rt *route) start(ctx context.Context, r *relay) (e *exchange, refusal *Refusal) {
	m, refusal := rt.backends.ask(rt.metrics.retried.Inc, func(u *upstream) (a attempt) {
		e, a = u.start(ctx, r)
		return a
	})
	if refusal != nil {
		return nil, refusal
	}
	e.member = m
	return e, nil
}

func (u *upstream) start(ctx context.Context, r *relay) (*exchange, attempt) {
	e := &exchange{req: fasthttp.AcquireRequest(), res: fasthttp.AcquireResponse()}
	if refusal := u.build(e.req, r); refusal != nil {
		e.close()
		return nil, attempt{refusal: refusal}
	}
	began := time.Now()
	err := e.send(ctx, u.client, r.deadline)
	outcome := outcomeOf(err)
	r.route.metrics.backend(outcome).Observe(time.Since(began).Seconds())
	if err != nil {
		a := failedAttempt(err, e.isRead())
		e.close()
		return nil, a
	}
	return e, attempt{result: resultOf(e.res.StatusCode())}
}

// broke is the refusal of an answer that broke off or was too long, which its
// backend is judged by.
func (e *exchange) broke(err error) *Refusal {
	a := failedAttempt(err, false)
	if e.member != nil {
		e.member.Report(a.result)
	}
	return a.refusal
}

// payload reads the rest of the answer and serializes it: a POKTHTTPResponse.
func (e *exchange) payload(h *held, limit int) ([]byte, *Refusal) {
	size := e.res.Header.ContentLength()
	if e.res.BodyStream() == nil {
		size = 0
	}
	var payload []byte
	var err error
	e.whole = size == 0
	switch {
	case size > limit:
		err = fasthttp.ErrBodyTooLarge
	case size == 0 && !mayBeEmpty(e.req, e.res.StatusCode()):
		return nil, refuseEmpty(e.res.StatusCode())
	case size > 0:
		refusal := h.grow(size)
		if refusal != nil {
			return nil, refusal
		}
		if payload, refusal = e.encode(responseHeaders(&e.res.Header), nil); refusal != nil {
			return nil, refusal
		}
		payload, err = readBody(payload, e.res.BodyStream(), size)
	case size == 0:
		return e.encode(responseHeaders(&e.res.Header), nil)
	default:
		return e.chunked(h, limit)
	}
	if err != nil {
		return nil, e.broke(err)
	}
	e.whole = true
	return payload, nil
}

func refuseEmpty(status int) *Refusal {
	return refuse(ReasonEmptyResponse, "the backend answered %d with an empty body", status)
}

// fieldResponseBody is the last field of POKTHTTPResponse, so that a serialized
// one without a body can have it appended.
const fieldResponseBody = 3

// readBody appends a body of a known size to an answer without one: the body is
// read to where it stays. The deadline of the request still holds.
func readBody(answer []byte, body io.Reader, size int) ([]byte, error) {
	at := len(answer) + protowire.SizeTag(fieldResponseBody) + protowire.SizeVarint(uint64(size))
	out := append(make([]byte, 0, at+size), answer...)
	out = protowire.AppendTag(out, fieldResponseBody, protowire.BytesType)
	out = protowire.AppendVarint(out, uint64(size))[:at+size]
	_, err := io.ReadFull(body, out[at:])
	return out, err
}

// chunked reads and serializes an answer that does not tell its length.
func (e *exchange) chunked(h *held, limit int) ([]byte, *Refusal) {
	body, err := h.read(e.res.BodyStream(), -1, limit)
	if err == nil && e.brokeOff() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, e.broke(err)
	}
	e.whole = true
	if status := e.res.StatusCode(); len(body) == 0 && !mayBeEmpty(e.req, status) {
		return nil, refuseEmpty(status)
	}
	return e.encode(responseHeaders(&e.res.Header), body)
}

// encode serializes an answer, deterministically as poktroll does
// (pkg/relayer/proxy/http_utils.go).
func (e *exchange) encode(headers map[string]*sdktypes.Header, body []byte) ([]byte, *Refusal) {
	return encodeResponse(e.res.StatusCode(), headers, body)
}

func encodeResponse(status int, headers map[string]*sdktypes.Header, body []byte) ([]byte, *Refusal) {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(&sdktypes.POKTHTTPResponse{
		StatusCode: uint32(status), Header: headers, BodyBz: body,
	})
	if err != nil {
		return nil, refuseFor(ReasonSign, err, "the backend's answer cannot be serialized")
	}
	return payload, nil
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
	u.identify(req.Header.Set)
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
