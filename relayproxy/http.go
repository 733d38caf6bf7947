package relayproxy

import (
	"bufio"
	"context"
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
	if s.cors.answer(ctx) {
		return
	}
	until, done := untilHangUp(s.base, ctx.Conn())
	h := s.pipeline.admission.hold()
	web := grpcWebOf(&ctx.Request.Header)
	out, r, refusal := s.serveHTTP(until, ctx, h, web)
	if s.draining.Load() { // since it came
		ctx.SetConnectionClose()
	}
	if refusal != nil {
		out = answer{reply: s.refuse(r, refusal)}
	}
	if out.stream == nil {
		done()
		h.leave()
	}
	if web != nil {
		web.answer(ctx, out, func(each func([]byte) error) { defer done(); s.send(out.stream, out.reply, each) })
		return
	}
	ctx.SetContentType(contentType)
	if out.stream == nil {
		ctx.Response.SetBodyRaw(out.reply)
		return
	}
	// Gateways tell a stream by the backend's content type.
	ctx.Response.Header.SetContentTypeBytes(out.stream.exchange.res.Header.ContentType())
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer done()
		s.send(out.stream, out.reply, func(chunk []byte) error { return writeChunk(w, chunk) })
	})
}

func (s *Server) serveHTTP(until context.Context, ctx *fasthttp.RequestCtx, h *held, web *grpcWeb) (answer, *relay, *Refusal) {
	arrived, limit := time.Now(), s.pipeline.maxRequestBody
	if web != nil {
		limit = web.room(limit)
	}
	body, refusal := readRequest(ctx, h, limit)
	if refusal == nil && web != nil {
		body, refusal = web.message(body)
	}
	if refusal != nil {
		return answer{}, nil, refusal
	}
	header := &ctx.Request.Header
	return s.pipeline.serve(until, h, incoming{
		body: body, rpcType: header.Peek(headerRPCType), simulate: header.Peek(headerSimulation), arrived: arrived,
	})
}

// readRequest reads the request as it comes. The rest of one that is refused is read
// without keeping it, and the connection is closed then: a client that is still
// sending would see a reset instead of the refusal.
func readRequest(ctx *fasthttp.RequestCtx, h *held, limit int) ([]byte, *Refusal) {
	from := ctx.RequestBodyStream()
	if from == nil { // there is none, or it is there already
		return ctx.PostBody(), h.grow(len(ctx.PostBody()))
	}
	body, err := h.read(from, ctx.Request.Header.ContentLength(), limit)
	if err == nil {
		return body, nil
	}
	ctx.SetConnectionClose()
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		refusal = refuse(ReasonRequestTooLarge, "at most %d bytes are taken", limit)
	default:
		return nil, refuseFor(ReasonMalformed, err, "the HTTP request cannot be read")
	}
	if conn := ctx.Conn(); conn != nil && conn.SetReadDeadline(time.Now().Add(drainTime)) == nil {
		// The error is the client's: it is gone, or slower than we wait.
		_, _ = io.CopyN(io.Discard, from, drainBytes)
	}
	return nil, refusal
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

// handleHTTPError answers what fasthttp could not read.
func (s *Server) handleHTTPError(ctx *fasthttp.RequestCtx, err error) {
	ctx.Response.Reset()
	ctx.SetContentType(contentType)
	ctx.Response.SetBodyRaw(s.refuse(nil, refuseFor(ReasonMalformed, err, "the HTTP request cannot be read")))
}
