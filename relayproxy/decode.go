package relayproxy

import (
	"github.com/cosmos/cosmos-sdk/types/bech32"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/chain"
)

// decode turns the bytes of a request into a relay with a route and a key. It
// asks the chain nothing and computes nothing expensive, so it is all that
// junk costs. The relay is returned with a refusal too when there is a session
// header to answer with.
func (p *pipeline) decode(in incoming) (*relay, *Refusal) {
	body := in.body
	if len(body) == 0 {
		return nil, refuse(ReasonMalformed, "empty body")
	}
	if len(body) > p.maxRequestBody {
		return nil, refuse(ReasonRequestTooLarge, "%d bytes, at most %d are taken", len(body), p.maxRequestBody)
	}
	r := &relay{arrived: in.arrived}
	if err := r.req.Unmarshal(body); err != nil {
		return nil, refuseFor(ReasonMalformed, err, "the body is not a RelayRequest")
	}
	if refusal := validateBasic(&r.req); refusal != nil {
		return r, refusal
	}
	return r, p.resolve(r, len(body), in.rpcType)
}

// resolve finds the backend and the signing key of a request.
func (p *pipeline) resolve(r *relay, size int, rpcType []byte) (refusal *Refusal) {
	t, ok := rpcTypeOfHeader(rpcType)
	if !ok {
		return refuse(ReasonUnsupportedTransport, "%s must be a number from 1 to 5", headerRPCType)
	}
	if r.route, refusal = p.routes.find(r.header().ServiceId, t); refusal != nil {
		return refusal
	}
	if limit := r.route.limits.MaxRequestBody; size > limit {
		return refuse(ReasonRequestTooLarge, "%d bytes, service %s takes %d", size, r.route.service, limit)
	}
	r.deadline = r.arrived.Add(r.route.limits.Timeout)
	return p.findKey(r)
}

// findKey also refuses a new session of a supplier that was retired. Nobody has
// verified when the session starts, but lies only get refused.
func (p *pipeline) findKey(r *relay) *Refusal {
	supplier := r.req.Meta.SupplierOperatorAddress
	key, until, ok := p.signers.Signer(supplier)
	if !ok {
		return refuse(ReasonForeignSupplier, "supplier %q is not served here", clip(supplier))
	}
	if start := r.header().SessionStartBlockHeight; until > 0 && start > until {
		return refuse(ReasonRetiredSupplier, "supplier %s serves no session that starts after %d, this one starts at %d", supplier, until, start)
	}
	r.key = key
	return nil
}

// validateBasic repeats RelayRequest.ValidateBasic and SessionHeader.
// ValidateBasic of poktroll, which read the address prefix from a
// process-wide configuration.
func validateBasic(req *servicetypes.RelayRequest) *Refusal {
	header := req.Meta.SessionHeader
	switch {
	case header == nil:
		return refuse(ReasonInvalidRequest, "missing session header")
	case !validAddress(header.ApplicationAddress):
		return refuse(ReasonInvalidRequest, "invalid application address %q", clip(header.ApplicationAddress))
	case header.SessionId == "":
		return refuse(ReasonInvalidRequest, "missing session id")
	case sharedtypes.IsValidServiceId(header.ServiceId) != nil:
		return refuse(ReasonInvalidRequest, "invalid service id %q", clip(header.ServiceId))
	case header.SessionStartBlockHeight <= 0:
		return refuse(ReasonInvalidRequest, "session start height %d", header.SessionStartBlockHeight)
	case header.SessionEndBlockHeight <= header.SessionStartBlockHeight:
		return refuse(ReasonInvalidRequest, "session ends at %d, before it starts", header.SessionEndBlockHeight)
	case len(req.Meta.Signature) == 0:
		return refuse(ReasonInvalidRequest, "missing application signature")
	case req.Meta.SupplierOperatorAddress == "":
		return refuse(ReasonInvalidRequest, "missing supplier operator address")
	}
	return nil
}

// maxAddressLen is cosmos-sdk's limit on the bytes of an address.
const maxAddressLen = 255

func validAddress(address string) bool {
	prefix, bz, err := bech32.DecodeAndConvert(address)
	return err == nil && prefix == chain.AddressPrefix && len(bz) > 0 && len(bz) <= maxAddressLen
}

// clip bounds what a refusal repeats of a request.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most]
	}
	return s
}
