package relayproxy

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/valyala/fasthttp"
)

// gRPC-Web is gRPC in an HTTP/1.1 request: the same frames, the trailers as a last
// frame of the body, and all of it in base64 if the client says "text"
// (grpc/doc/PROTOCOL-WEB.md).
type grpcWeb struct {
	text        bool
	contentType []byte // answered as asked
}

const (
	frameHead   = 5    // flags, and the length in four bytes
	frameTrails = 0x80 // flag of the trailers
)

// webTrailers end every answer: what is refused is refused in the message.
var webTrailers = []byte("grpc-status:0\r\n")

// grpcWebOf is nil for any other request.
func grpcWebOf(header *fasthttp.RequestHeader) *grpcWeb {
	kind := header.ContentType()
	rest, ok := bytes.CutPrefix(kind, []byte("application/grpc-web"))
	if !ok {
		return nil
	}
	return &grpcWeb{text: bytes.HasPrefix(rest, []byte("-text")), contentType: bytes.Clone(kind)}
}

// room is what a message of so many bytes takes as it is sent.
func (g *grpcWeb) room(message int) int {
	if g.text {
		return base64.StdEncoding.EncodedLen(message + frameHead)
	}
	return message + frameHead
}

// message is the only one of a request.
func (g *grpcWeb) message(body []byte) ([]byte, *Refusal) {
	if g.text {
		var err error
		if body, err = base64.StdEncoding.AppendDecode(nil, body); err != nil {
			return nil, refuseFor(ReasonMalformed, err, "the request is not base64")
		}
	}
	if len(body) < frameHead || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-frameHead) {
		return nil, refuse(ReasonMalformed, "the request is not one uncompressed gRPC-Web message")
	}
	return body[frameHead:], nil
}

// frame appends a message, or the trailers, as it is sent.
func (g *grpcWeb) frame(to []byte, flags byte, message []byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	if g.text { // each frame by itself, so that it can be sent by itself
		return base64.StdEncoding.AppendEncode(to, append(head, message...))
	}
	return append(append(to, head...), message...)
}

// answer sends one message, or those of a stream as they come.
func (g *grpcWeb) answer(ctx *fasthttp.RequestCtx, out answer, send func(each func([]byte) error)) {
	ctx.SetContentTypeBytes(g.contentType)
	if out.stream == nil {
		ctx.Response.SetBodyRaw(g.frame(g.frame(nil, 0, out.reply), frameTrails, webTrailers))
		return
	}
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		write := func(flags byte, message []byte) error {
			if _, err := w.Write(g.frame(nil, flags, message)); err != nil {
				return err
			}
			return w.Flush()
		}
		send(func(message []byte) error { return write(0, message) })
		_ = write(frameTrails, webTrailers) // the client may be gone
	})
}
