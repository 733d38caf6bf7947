package relayproxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/ingest"
)

// relayHashLen is the length of a relay's hash and of a difficulty target.
const relayHashLen = sha256.Size

// mine publishes the relay if it meets the difficulty, and returns only when it
// is in the stream. res must not carry its payload. A relay that the miners can
// no longer put into a claim is refused rather than given away.
func (p *pipeline) mine(ctx context.Context, r *relay, res *servicetypes.RelayResponse) *Refusal {
	if head := p.head.Latest().Height; head >= r.windows.ClaimOpen {
		return refuse(ReasonSessionExpired, "claims opened at %d, the height is %d", r.windows.ClaimOpen, head)
	}
	leaf, err := (&servicetypes.Relay{Req: &r.req, Res: res}).Marshal()
	if err != nil {
		return refuseFor(ReasonSign, err, "the relay cannot be serialized")
	}
	if !applicable(leaf, r.target) {
		r.route.metrics.skipped.Inc()
		return nil
	}
	r.route.metrics.mined.Inc()
	switch err := p.publisher.Publish(ctx, ingest.MinedRelay{
		Supplier:     r.key.Address(),
		SessionID:    r.header().SessionId,
		ComputeUnits: r.computeUnits,
		Relay:        leaf,
	}); {
	case err == nil:
		r.route.metrics.published.Inc()
		return nil
	case errors.Is(err, ingest.ErrSessionClosed):
		return refuseFor(ReasonSessionExpired, err, "the session is closed for rewards")
	default:
		return refuseFor(ReasonPublish, err, "the relay could not be recorded")
	}
}

// applicable reports whether a serialized relay counts: its hash is below the
// target, byte by byte (poktroll pkg/crypto/protocol.IsRelayVolumeApplicable).
func applicable(leaf, target []byte) bool {
	hash := sha256.Sum256(leaf)
	return bytes.Compare(hash[:], target) < 0
}
