package relayproxy

import (
	"context"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/chain"
)

// maxSessionBlocks bounds how long a session may claim to be and how long ago
// it may have ended, so that the heights in unsigned junk cannot make a full
// node answer about all of history.
const maxSessionBlocks = 20_000

// nextBlockWait is how far a gateway's view of the chain may be ahead of ours:
// longer than the block feed's longest pause.
const nextBlockWait = 1500 * time.Millisecond

// verify makes sure that the relay would be paid if it were served: the order
// and the checks are those of poktroll pkg/relayer/relay_authenticator, which
// are those of the chain's proof validation. One relay that fails them in a
// claimed tree can cost the supplier its stake.
func (p *pipeline) verify(ctx context.Context, r *relay) *Refusal {
	if refusal := p.verifyTiming(ctx, r); refusal != nil {
		return refusal
	}
	if refusal := p.verifySignature(ctx, r); refusal != nil {
		return refusal
	}
	if refusal := p.awaitStart(ctx, r); refusal != nil {
		return refusal
	}
	if refusal := p.verifySession(ctx, r); refusal != nil {
		return refusal
	}
	return p.priceRelay(ctx, r)
}

// verifyTiming accepts sessions on the chain's session grid that are active, within
// their grace period, or start with the next block. Past the opening of the claim window a relay is
// not rewarded, so it is not served either.
func (p *pipeline) verifyTiming(ctx context.Context, r *relay) *Refusal {
	h := r.header()
	start, end := h.SessionStartBlockHeight, h.SessionEndBlockHeight
	head := p.head.Latest().Height
	if head <= 0 {
		return refuse(ReasonChain, "the chain's height is not known yet")
	}
	if start > head+1 || end-start >= maxSessionBlocks {
		return refuse(ReasonSessionUnknown, "session %d to %d at height %d", start, end, head)
	}
	if end < head-maxSessionBlocks {
		return refuse(ReasonSessionExpired, "session ended at %d, the height is %d", end, head)
	}
	params, err := p.sessions.SharedParams(ctx, end)
	if err != nil {
		return refuseFor(ReasonChain, err, "the session's params are not known")
	}
	if sharedtypes.GetSessionStartHeight(params, end) != start || sharedtypes.GetSessionEndHeight(params, start) != end {
		return refuse(ReasonSessionMismatch, "no session goes from %d to %d", start, end)
	}
	windows := chain.WindowsOf(params, end)
	if head > windows.GraceEnd || head >= windows.ClaimOpen {
		return refuse(ReasonSessionExpired, "session ended at %d, the height is %d", end, head)
	}
	r.windows = windows
	return nil
}

// awaitStart waits, shortly, for the block that a session starts with: a gateway can
// have seen a block that this process is about to see. Only who has signed may wait,
// and only so many: junk must not hold connections.
func (p *pipeline) awaitStart(ctx context.Context, r *relay) *Refusal {
	start := r.header().SessionStartBlockHeight
	head := p.head.Latest().Height
	if start <= head {
		return nil
	}
	if p.admission.awaiting.take() {
		defer p.admission.awaiting.give()
		ctx, cancel := context.WithTimeout(ctx, nextBlockWait)
		defer cancel()
		if next, err := p.head.Next(ctx, head); err == nil && next.Height >= start {
			return nil
		}
	}
	return refuse(ReasonSessionUnknown, "the session starts at %d, the height is %d", start, head)
}

// verifySignature checks that the application, or a gateway it delegated to,
// signed exactly this request. The ring is the one at the session's end.
func (p *pipeline) verifySignature(ctx context.Context, r *relay) *Refusal {
	h := r.header()
	ring, err := p.sessions.RingKeys(ctx, h.ApplicationAddress, h.SessionEndBlockHeight)
	if err != nil {
		if chain.Absent(err) {
			return refuseFor(ReasonSessionUnknown, err, "the application does not exist")
		}
		return refuseFor(ReasonChain, err, "the application's ring is not known")
	}
	return p.verifyRing(r, ring)
}

// verifyRing checks the signature against a ring.
func (p *pipeline) verifyRing(r *relay, ring [][]byte) *Refusal {
	digest, err := digestOf(&r.req)
	if err != nil {
		return refuseFor(ReasonMalformed, err, "the request cannot be hashed")
	}
	if !p.admission.verifying.take() {
		return &Refusal{Reason: ReasonOverloaded, Detail: "too many relays wait to be verified"}
	}
	defer p.admission.verifying.give()
	if err := p.verifier.Verify(digest, r.req.Meta.Signature, ring); err != nil {
		return refuseFor(ReasonBadSignature, err, "the application did not sign this request")
	}
	return nil
}

// verifySession compares the header with the chain's, field by field: a
// session id proves only that the client knew it, while every header field is
// compared again when a proof is validated.
func (p *pipeline) verifySession(ctx context.Context, r *relay) *Refusal {
	h := r.header()
	session, err := p.sessions.Session(ctx, h.ApplicationAddress, h.ServiceId, h.SessionStartBlockHeight)
	if err != nil {
		return refuseFor(ReasonChain, err, "the session is not known")
	}
	if want := session.GetHeader(); want == nil || !sameHeader(h, want) {
		return refuse(ReasonSessionMismatch, "session %s is not the one on chain", clip(h.SessionId))
	}
	for _, supplier := range session.GetSuppliers() {
		if supplier.GetOperatorAddress() == r.key.Address() {
			return nil
		}
	}
	return refuse(ReasonSupplierNotInSession, "supplier %s", r.key.Address())
}

func sameHeader(a, b *sessiontypes.SessionHeader) bool {
	return a.ApplicationAddress == b.ApplicationAddress &&
		a.ServiceId == b.ServiceId &&
		a.SessionId == b.SessionId &&
		a.SessionStartBlockHeight == b.SessionStartBlockHeight &&
		a.SessionEndBlockHeight == b.SessionEndBlockHeight
}

// priceRelay looks up what mining will need, so that a relay which could not be
// mined is refused before the backend works for it. Both values are those at
// the session's start, which is where the chain reads them.
func (p *pipeline) priceRelay(ctx context.Context, r *relay) *Refusal {
	start := r.header().SessionStartBlockHeight
	var err error
	if r.target, err = p.services.Difficulty(ctx, r.route.service, start); err != nil {
		return refuseFor(ReasonChain, err, "the relay difficulty is not known")
	}
	if len(r.target) != relayHashLen {
		return refuse(ReasonChain, "the relay difficulty has %d bytes", len(r.target))
	}
	if r.computeUnits, err = p.services.ComputeUnitsPerRelay(ctx, r.route.service, start); err != nil {
		return refuseFor(ReasonChain, err, "the compute units per relay are not known")
	}
	return nil
}
