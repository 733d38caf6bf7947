package relayproxy

import (
	"context"
	"crypto/sha256"
	"net/http"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// settle turns a backend's answer into the signed response a client gets, after
// the relay is in the stream if it earns anything.
//
// The response is signed once: what is mined is what was served, without the
// payload (the chain verifies the signature over its hash alone).
func (p *pipeline) settle(ctx context.Context, r *relay, payload []byte, status int) ([]byte, *Refusal) {
	charge, refusal := p.chargeOf(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	defer charge.Refund() // unless it was committed
	if ctx.Err() != nil {
		return nil, refuseEnded(ctx, refuseFor(ReasonPublish, ctx.Err(), "nobody waits for the answer"))
	}
	// From here on the relay is served, whether the client stays or not: a relay that
	// is in the stream is charged for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	res, refusal := signResponse(r, payload)
	if refusal != nil {
		return nil, refusal
	}
	// A failing backend is passed through, signed, but never charged for
	// (poktroll proxy.isRewardApplicable).
	if status < http.StatusInternalServerError && !r.unpaid {
		if refusal := p.mine(ctx, r, res); refusal != nil {
			return nil, refusal
		}
		charge.Commit()
	}
	return serializeResponse(res, payload)
}

func serializeResponse(res *servicetypes.RelayResponse, payload []byte) ([]byte, *Refusal) {
	res.Payload = payload
	reply, err := res.Marshal()
	if err != nil {
		return nil, refuseFor(ReasonSign, err, "the response cannot be serialized")
	}
	return reply, nil
}

// signResponse makes the response without its payload.
func signResponse(r *relay, payload []byte) (*servicetypes.RelayResponse, *Refusal) {
	if len(payload) == 0 {
		return nil, refuse(ReasonEmptyResponse, "the backend answered nothing")
	}
	hash := sha256.Sum256(payload)
	res := &servicetypes.RelayResponse{
		Meta:        servicetypes.RelayResponseMetadata{SessionHeader: r.header()},
		PayloadHash: hash[:],
	}
	digest, err := res.GetSignableBytesHash()
	if err != nil {
		return nil, refuseFor(ReasonSign, err, "the response cannot be hashed")
	}
	// The key hashes the digest once more, as the chain does when it verifies.
	if res.Meta.SupplierOperatorSignature, err = r.key.Sign(digest[:]); err != nil {
		return nil, refuseFor(ReasonSign, err, "the response cannot be signed")
	}
	return res, nil
}
