package relayproxy

import (
	"context"
	"errors"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

// reserve takes a verified relay out of its session's budget. Nothing is charged
// before the signature is known to be right: junk that names an application would
// use up what the application pays for.
func (p *pipeline) reserve(ctx context.Context, r *relay) (meter.Charge, *Refusal) {
	if p.meter == nil || r.unpaid {
		return meter.Charge{}, nil
	}
	charge, err := p.meter.Reserve(ctx, chain.NewSessionRef(r.key.Address(), r.header()), r.windows)
	switch {
	case err == nil:
		return charge, nil
	case !errors.Is(err, meter.ErrOverBudget):
		return meter.Charge{}, refuseFor(ReasonMeter, err, "the session's budget is not known")
	case p.overServicing:
		// Not mined: the chain would not pay for it (poktroll proxy.isRewardApplicable).
		r.unpaid = true
		return meter.Charge{}, nil
	}
	return meter.Charge{}, &Refusal{Reason: ReasonOverBudget, Detail: "the application's stake pays for no more relays of this session"}
}

// chargeOf is the charge that an answer settles: the one its request came with, or
// for a frame that nobody asked for a new one.
func (p *pipeline) chargeOf(ctx context.Context, r *relay) (*meter.Charge, *Refusal) {
	if r.charge.Open() {
		return &r.charge, nil
	}
	charge, refusal := p.reserve(ctx, r)
	return &charge, refusal
}
