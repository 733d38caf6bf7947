package relayproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
)

// streamDelimiter follows every signed chunk of a streamed answer. It is what
// gateways split at, so it never occurs within a chunk of ours.
const streamDelimiter = "||POKT_STREAM||"

// A stream lives as long as its backend keeps talking, within limits.
const (
	streamIdle = 60 * time.Second
	streamLife = 30 * time.Minute
)

var (
	contentTypeSSE    = []byte("text/event-stream")
	contentTypeNDJSON = []byte("application/x-ndjson")
)

// isStream reports whether an answer is a sequence of events that the client
// waits for one by one.
func isStream(res *fasthttp.Response) bool {
	kind := res.Header.ContentType()
	return res.BodyStream() != nil && (bytes.HasPrefix(kind, contentTypeSSE) || bytes.HasPrefix(kind, contentTypeNDJSON))
}

// stream is an answer that a backend sends event by event. Every event is
// signed by itself and sent on as soon as it is complete. All of them together
// are one relay: its leaf holds the first, and is in the stream of the miners
// before the first is sent.
type stream struct {
	ctx      context.Context // ends with the client
	relay    *relay
	exchange *exchange
	source   *bufio.Reader
	headers  map[string]*sdktypes.Header
	blank    bool // events end with a blank line, not with every line
	limit    int  // bytes of one event
	event    int  // bytes of the last, which are counted
	rest     []byte
	done     bool // the body must not be read beyond its end: fasthttp would wait for more
}

// openStream waits for the first event and settles the relay with it.
func (p *pipeline) openStream(ctx context.Context, r *relay, e *exchange) (answer, *Refusal) {
	s := &stream{
		ctx: ctx, relay: r, exchange: e, source: bufio.NewReader(e.res.BodyStream()), headers: responseHeaders(&e.res.Header),
		blank: bytes.HasPrefix(e.res.Header.ContentType(), contentTypeSSE), limit: r.route.limits.MaxResponseBody,
	}
	first, err := s.next()
	if len(first) == 0 {
		e.close()
		if err == nil || errors.Is(err, io.EOF) {
			return answer{}, refuse(ReasonEmptyResponse, "the backend's stream is empty")
		}
		return answer{}, failedAttempt(err, false).refusal
	}
	payload, refusal := e.encode(s.headers, first)
	if refusal != nil {
		e.close()
		return answer{}, refusal
	}
	reply, refusal := p.settle(ctx, r, payload, e.res.StatusCode())
	if refusal != nil {
		e.close()
		return answer{}, refusal
	}
	r.served(e.res.StatusCode())
	return answer{reply: reply, stream: s}, nil
}

// next returns the next event with what ends it: a blank line in an event
// stream, a line feed in NDJSON. The last may lack its end. An event that holds
// the delimiter is returned in parts that do not.
func (s *stream) next() ([]byte, error) {
	if len(s.rest) == 0 {
		event, err := s.read()
		if len(event) == 0 {
			return nil, err
		}
		s.rest = event
	}
	part := s.rest
	if at := bytes.Index(part, []byte(streamDelimiter)); at >= 0 {
		part = part[:at+len(streamDelimiter)/2]
	}
	s.rest = s.rest[len(part):]
	return part, nil
}

// read returns one whole event. At the end of the stream it returns what is
// left, then io.EOF.
func (s *stream) read() ([]byte, error) {
	if s.done {
		return nil, io.EOF
	}
	if err := s.exchange.conn.SetReadDeadline(time.Now().Add(streamIdle)); err != nil {
		return nil, err
	}
	_ = s.relay.held.grow(-s.event) // fewer are never refused
	s.event = 0
	var event []byte
	for {
		line, err := s.source.ReadSlice('\n')
		if refusal := s.relay.held.grow(len(line)); refusal != nil {
			return nil, refusal
		}
		s.event += len(line)
		event = append(event, line...)
		switch {
		case len(event) > s.limit:
			return nil, fasthttp.ErrBodyTooLarge
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && s.exchange.brokeOff():
			return nil, io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			s.done, s.exchange.whole = true, true
			return event, err
		case err != nil:
			return nil, err
		case !s.blank || len(bytes.TrimRight(line, "\r\n")) == 0:
			return event, nil
		}
	}
}

// send gives each the first chunk and then every event as it arrives, until the
// backend is done, the client is gone, or life is over. What went wrong after
// the first chunk is told in a last, unsigned one.
func (s *Server) send(st *stream, first []byte, each func(chunk []byte) error) {
	defer st.relay.held.leave()
	defer st.exchange.close()
	for chunk := first; each(chunk) == nil; {
		var refusal *Refusal
		if chunk, refusal = s.nextChunk(st); refusal != nil {
			_ = each(s.refuse(st.relay, refusal)) // the client may be gone
			return
		}
		if chunk == nil {
			return
		}
	}
}

// nextChunk returns the next event signed, nil at the end.
func (s *Server) nextChunk(st *stream) ([]byte, *Refusal) {
	if time.Since(st.relay.arrived) > streamLife {
		return nil, refuse(ReasonBackendTimeout, "the stream lasted too long")
	}
	event, err := st.next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		refusal := failedAttempt(err, false).refusal
		if st.ctx.Err() != nil {
			refusal = refuseEnded(st.ctx, refusal)
		}
		return nil, refusal
	}
	payload, refusal := st.exchange.encode(st.headers, event)
	if refusal != nil {
		return nil, refusal
	}
	res, refusal := signResponse(st.relay, payload)
	if refusal != nil {
		return nil, refusal
	}
	return serializeResponse(res, payload)
}

// writeChunk sends one chunk on its way at once.
func writeChunk(w *bufio.Writer, chunk []byte) error {
	if _, err := w.Write(chunk); err != nil {
		return err
	}
	if _, err := w.WriteString(streamDelimiter); err != nil {
		return err
	}
	return w.Flush()
}
