package relayproxy

import (
	"context"
	"time"
)

// pipeline is the code every relay goes through, whatever the transport:
//
//	admit  = decode, verify, charge  (decode.go, verify.go, charge.go)
//	forward                          (forward.go)
//	settle = sign, mine, publish     (sign.go, mine.go)
//
// It is safe for concurrent use.
type pipeline struct {
	routes         routes
	maxRequestBody int
	signers        Signers
	head           Head
	sessions       Sessions
	services       Services
	verifier       Verifier
	publisher      Publisher
	admission      *admission
	throttle       *throttle
	meter          Meter
	overServicing  bool
	simulation     *simulation // nil: none
}

// publishTimeout bounds publishing, and is over before a gateway gives up: it
// waits a second longer than our default deadline.
const publishTimeout = 800 * time.Millisecond

// admit decodes and verifies a request, and charges for it: who gets a relay without a
// refusal must settle it or refund its charge. Nothing is kept of body. On refusal the
// relay may still be non-nil, to answer with its session header.
func (p *pipeline) admit(ctx context.Context, in incoming) (*relay, *Refusal) {
	r, refusal := p.decode(in)
	if refusal != nil {
		return r, refusal
	}
	ctx, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	if len(in.simulate) > 0 && p.simulation != nil {
		if refusal = p.verifySimulated(ctx, r, string(in.simulate)); refusal != nil {
			p.simulation.refused.Inc()
		}
		return r, refusal
	}
	r.route.metrics.received.Inc()
	if refusal := p.throttle.empty(r, in.arrived); refusal != nil {
		return r, refusal
	}
	began := time.Now()
	refusal = p.verify(ctx, r)
	r.route.metrics.validation.Observe(time.Since(began).Seconds())
	if refusal == nil {
		refusal = p.throttle.take(r, in.arrived)
	}
	if refusal == nil {
		r.charge, refusal = p.reserve(ctx, r)
	}
	return r, refusal
}

// answer is what a client gets: one signed response, or the first of a stream.
type answer struct {
	reply  []byte
	stream *stream // nil unless the backend streams
}

// serve is the whole life of a relay that is one request to its backend. What it has
// in memory is counted in h, which the caller gives back when it has sent the answer.
func (p *pipeline) serve(ctx context.Context, h *held, in incoming) (answer, *relay, *Refusal) {
	if refusal := h.enter(); refusal != nil {
		return answer{}, nil, refusal
	}
	if len(in.simulate) > 0 && p.simulation != nil {
		if !p.simulation.inFlight.take() {
			return answer{}, nil, &Refusal{Reason: ReasonRateLimited, Detail: "too many simulated relays"}
		}
		defer p.simulation.inFlight.give()
	}
	r, refusal := p.admit(ctx, in)
	if refusal != nil {
		return answer{}, r, refusal
	}
	r.held = h
	out, refusal := p.respond(ctx, r)
	if refusal != nil {
		r.charge.Refund()
	}
	if refusal != nil && ctx.Err() != nil {
		refusal = refuseEnded(ctx, refusal)
	}
	return out, r, refusal
}

// serveBody is serve for a body that was read without being counted.
func (p *pipeline) serveBody(ctx context.Context, h *held, in incoming) (answer, *relay, *Refusal) {
	if refusal := h.grow(len(in.body)); refusal != nil {
		return answer{}, nil, refusal
	}
	return p.serve(ctx, h, in)
}

// respond asks the backend of an admitted relay and settles it.
func (p *pipeline) respond(ctx context.Context, r *relay) (answer, *Refusal) {
	if r.route.rpcType == RPCGRPC {
		return p.respondGRPC(ctx, r)
	}
	if !r.route.servesHTTP() {
		return answer{}, refuse(ReasonUnsupportedTransport, "%s is not served here", RPCTypeName(r.route.rpcType))
	}
	e, refusal := r.route.start(ctx, r)
	if refusal != nil {
		return answer{}, refusal
	}
	if isStream(e.res) {
		return p.openStream(ctx, r, e)
	}
	defer e.close()
	payload, refusal := e.payload(r.held, r.route.limits.MaxResponseBody)
	if refusal != nil {
		return answer{}, refusal
	}
	status := e.res.StatusCode()
	reply, refusal := p.settle(ctx, r, payload, status)
	if refusal == nil {
		r.served(status)
	}
	return answer{reply: reply}, refusal
}

// respondGRPC is respond for a gRPC backend.
func (p *pipeline) respondGRPC(ctx context.Context, r *relay) (answer, *Refusal) {
	payload, status, refusal := r.route.callGRPC(ctx, r)
	if refusal != nil {
		return answer{}, refusal
	}
	reply, refusal := p.settle(ctx, r, payload, status)
	if refusal == nil {
		r.served(status)
	}
	return answer{reply: reply}, refusal
}
