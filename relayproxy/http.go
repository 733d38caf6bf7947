package relayproxy

import (
	"bufio"
	"errors"
	"io"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// contentType of every answer: a serialized RelayResponse.
const contentType = "application/x-protobuf"

// handleHTTP serves one POST: JSON-RPC, REST and CometBFT RPC are all this.
// fasthttp reuses the request's buffers when it returns; the pipeline copies
// what it keeps.
func (s *Server) handleHTTP(ctx *fasthttp.RequestCtx) {
	if s.draining.Load() {
		s.late.Add(1)
		ctx.SetConnectionClose()
	}
	if websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		s.handleWebSocket(ctx)
		return
	}
	until, done := untilHangUp(s.base, ctx.Conn())
	out, r, refusal := s.pipeline.serve(until, ctx.PostBody(), ctx.Request.Header.Peek(headerRPCType), time.Now())
	if s.draining.Load() { // since it came
		ctx.SetConnectionClose()
	}
	if refusal != nil {
		out = answer{reply: s.refuse(r, refusal)}
	}
	ctx.SetContentType(contentType)
	if out.stream == nil {
		done()
		ctx.Response.SetBodyRaw(out.reply)
		return
	}
	// Gateways tell a stream by the backend's content type.
	ctx.Response.Header.SetContentTypeBytes(out.stream.exchange.res.Header.ContentType())
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) { defer done(); s.send(out.stream, out.reply, w) })
}

// refuse records a refusal and serializes it.
func (s *Server) refuse(r *relay, refusal *Refusal) []byte {
	s.refusals.record(r, refusal)
	return refusal.serialize(r)
}

// Limits on reading what is left of a body that is not wanted.
const (
	drainTime  = 5 * time.Second
	drainBytes = 256 << 20
)

// handleHTTPError answers what fasthttp could not read. A body over the limit
// is read to its end first, without keeping it: a client that is still sending
// when its connection is closed would see a reset instead of the refusal.
func (s *Server) handleHTTPError(ctx *fasthttp.RequestCtx, err error) {
	refusal := refuseFor(ReasonMalformed, err, "the HTTP request cannot be read")
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		refusal = refuse(ReasonRequestTooLarge, "at most %d bytes are taken", s.pipeline.maxRequestBody)
		drain(ctx)
	}
	ctx.Response.Reset()
	ctx.SetContentType(contentType)
	ctx.Response.SetBodyRaw(s.refuse(nil, refusal))
}

func drain(ctx *fasthttp.RequestCtx) {
	conn := ctx.Conn()
	if conn == nil || conn.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	left := int64(ctx.Request.Header.ContentLength())
	if left <= 0 || left > drainBytes {
		left = drainBytes
	}
	// The error is the client's: it is gone, or slower than we wait.
	_, _ = io.CopyN(io.Discard, conn, left)
}
