package relayproxy

import (
	"context"
	"time"
)

// pipeline is the code every relay goes through, whatever the transport:
//
//	admit  = decode, verify          (decode.go, verify.go)
//	forward                          (forward.go)
//	settle = sign, mine, publish     (sign.go, mine.go)
//
// It is safe for concurrent use.
type pipeline struct {
	routes         routes
	maxRequestBody int
	signers        map[string]Signer // by supplier
	head           Head
	sessions       Sessions
	services       Services
	verifier       Verifier
	publisher      Publisher
}

// publishTimeout bounds publishing, and is over before a gateway gives up: it
// waits a second longer than our default deadline.
const publishTimeout = 800 * time.Millisecond

// admit decodes and verifies a request. Nothing is kept of body. On refusal the
// relay may still be non-nil, to answer with its session header.
func (p *pipeline) admit(ctx context.Context, body, rpcType []byte, arrived time.Time) (*relay, *Refusal) {
	r, refusal := p.decode(body, rpcType, arrived)
	if refusal != nil {
		return r, refusal
	}
	r.route.metrics.received.Inc()
	ctx, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	began := time.Now()
	refusal = p.verify(ctx, r)
	r.route.metrics.validation.Observe(time.Since(began).Seconds())
	return r, refusal
}

// answer is what a client gets: one signed response, or the first of a stream.
type answer struct {
	reply  []byte
	stream *stream // nil unless the backend streams
}

// serve is the whole life of a relay that is one HTTP request to its backend.
func (p *pipeline) serve(ctx context.Context, body, rpcType []byte, arrived time.Time) (answer, *relay, *Refusal) {
	r, refusal := p.admit(ctx, body, rpcType, arrived)
	if refusal != nil {
		return answer{}, r, refusal
	}
	if r.route.upstream.grpc != nil {
		return p.serveGRPC(ctx, r)
	}
	if r.route.upstream.client == nil {
		return answer{}, r, refuse(ReasonUnsupportedTransport, "%s is not served here", RPCTypeName(r.route.rpcType))
	}
	e, refusal := r.route.upstream.start(r)
	if refusal != nil {
		return answer{}, r, refusal
	}
	if isStream(e.res) {
		out, refusal := p.openStream(ctx, r, e)
		return out, r, refusal
	}
	defer e.close()
	payload, refusal := e.payload(r.route.limits.MaxResponseBody)
	if refusal != nil {
		return answer{}, r, refusal
	}
	status := e.res.StatusCode()
	reply, refusal := p.settle(ctx, r, payload, status)
	if refusal == nil {
		r.route.metrics.serve(status, time.Since(arrived))
	}
	return answer{reply: reply}, r, refusal
}

// serveGRPC is the rest of it for a gRPC backend.
func (p *pipeline) serveGRPC(ctx context.Context, r *relay) (answer, *relay, *Refusal) {
	payload, status, refusal := r.route.upstream.callGRPC(ctx, r)
	if refusal != nil {
		return answer{}, r, refusal
	}
	reply, refusal := p.settle(ctx, r, payload, status)
	if refusal == nil {
		r.route.metrics.serve(status, time.Since(r.arrived))
	}
	return answer{reply: reply}, r, refusal
}
