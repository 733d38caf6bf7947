package relayproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
)

// maxCheckAnswer bounds what is read of an answer to a check.
const maxCheckAnswer = 1 << 20

// errUnwell is an answer that does not pass a check.
var errUnwell = errors.New("does not pass its check")

// check asks the backend, in its own protocol, whether it is well.
func (u *upstream) check(ctx context.Context, h *HealthCheck) error {
	switch {
	case u.grpc != nil:
		return u.checkGRPC(ctx, h)
	case u.client == nil:
		return u.checkSocket(ctx, h)
	}
	status, body, err := u.query(ctx, probe{
		method: h.Method, path: h.Path, body: h.Body, contentType: h.ContentType, headers: h.Headers,
	})
	switch {
	case err != nil:
		return err
	case len(h.Statuses) > 0 && !slices.Contains(h.Statuses, status), len(h.Statuses) == 0 && status/100 != 2:
		return fmt.Errorf("%w: status %d", errUnwell, status)
	}
	return h.expect(body)
}

func (h *HealthCheck) expect(answer []byte) error {
	if !bytes.Contains(answer, []byte(h.Expect)) {
		return fmt.Errorf("%w: the answer lacks what is expected", errUnwell)
	}
	return nil
}

// probe is an HTTP request of our own.
type probe struct {
	method, path, body, contentType string
	headers                         map[string]string
}

// query sends a probe, with what every request to the backend has.
func (u *upstream) query(ctx context.Context, p probe) (status int, body []byte, err error) {
	uri, err := u.target.join(p.path)
	if err != nil {
		return 0, nil, err
	}
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.SetRequestURI(uri)
	switch {
	case p.method != "":
		req.Header.SetMethod(p.method)
	case p.body != "":
		req.Header.SetMethod(http.MethodPost)
	}
	if p.body != "" {
		req.SetBodyString(p.body)
		req.Header.SetContentType(cmp.Or(p.contentType, "application/json"))
	}
	u.identify(req.Header.Set)
	for key, value := range p.headers {
		req.Header.Set(key, value)
	}
	if err := u.client.DoDeadline(req, res, deadlineOf(ctx)); err != nil {
		return 0, nil, err
	}
	answer := res.Body()
	return res.StatusCode(), bytes.Clone(answer[:min(len(answer), maxCheckAnswer)]), nil
}

// identify sets the configured headers of the backend.
func (u *upstream) identify(set func(key, value string)) {
	if u.authorization != "" {
		set(fasthttp.HeaderAuthorization, u.authorization)
	}
	for key, value := range u.headers {
		set(key, value)
	}
}

// deadlineOf is for calls that take no context.
func deadlineOf(ctx context.Context) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return time.Now().Add(DefaultTimeout)
}

// checkSocket opens a WebSocket and, if the check has a body, waits for an answer to
// it.
func (u *upstream) checkSocket(ctx context.Context, h *HealthCheck) error {
	header := make(http.Header)
	u.identify(header.Set)
	for key, value := range h.Headers {
		header.Set(key, value)
	}
	conn, err := u.openSocket(ctx, header)
	if err != nil {
		return err
	}
	defer conn.Close()
	if h.Body == "" {
		return nil
	}
	if err := errors.Join(conn.SetWriteDeadline(deadlineOf(ctx)), conn.SetReadDeadline(deadlineOf(ctx))); err != nil {
		return err
	}
	conn.SetReadLimit(maxCheckAnswer)
	if err := conn.WriteMessage(websocket.TextMessage, []byte(h.Body)); err != nil {
		return err
	}
	_, answer, err := conn.ReadMessage()
	if err != nil {
		return err
	}
	return h.expect(answer)
}

const (
	healthMethod = "/grpc.health.v1.Health/Check"
	grpcFrame    = 5 // a flag and the length of the message
)

// checkGRPC asks the health service that gRPC servers have.
func (u *upstream) checkGRPC(ctx context.Context, h *HealthCheck) error {
	message, err := proto.Marshal(&grpc_health_v1.HealthCheckRequest{Service: h.Path})
	if err != nil {
		return fmt.Errorf("encode health check: %w", err)
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.target.origin+healthMethod, bytes.NewReader(frame))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	u.identify(req.Header.Set)
	res, body, err := u.roundTrip(req, (&admission{maxMemory: 2 * maxCheckAnswer}).hold(), maxCheckAnswer)
	if err != nil {
		return err
	}
	var answer grpc_health_v1.HealthCheckResponse
	if len(body) < grpcFrame || proto.Unmarshal(body[grpcFrame:], &answer) != nil {
		return fmt.Errorf("%w: HTTP status %d, grpc-status %q", errUnwell, res.StatusCode, res.Trailer.Get("Grpc-Status")+res.Header.Get("Grpc-Status"))
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%w: %s", errUnwell, answer.Status)
	}
	return nil
}
