package relayproxy

import (
	"context"
	"time"

	"github.com/raftminer/raftminer/chain"
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
	keys           chain.Keys
	head           Head
	sessions       Sessions
	services       Services
	verifier       Verifier
	publisher      Publisher
}

// publishGrace is how long after its deadline a relay may still be published:
// the work is done by then, and gateways wait a second longer than we do.
const publishGrace = 500 * time.Millisecond

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

// serve is the whole life of a relay that is one request and one response. It
// returns the serialized signed response.
func (p *pipeline) serve(ctx context.Context, body, rpcType []byte, arrived time.Time) ([]byte, *relay, *Refusal) {
	r, refusal := p.admit(ctx, body, rpcType, arrived)
	if refusal != nil {
		return nil, r, refusal
	}
	payload, status, refusal := r.route.upstream.exchange(r)
	if refusal != nil {
		return nil, r, refusal
	}
	reply, refusal := p.settle(ctx, r, payload, status)
	if refusal == nil {
		r.route.metrics.serve(status, time.Since(arrived))
	}
	return reply, r, refusal
}
