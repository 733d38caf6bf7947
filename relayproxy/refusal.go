package relayproxy

import (
	"fmt"
	"net/http"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

// Reason is why a relay was refused. It is a metric label, so there are few.
type Reason uint8

// The reasons, in the order of the pipeline.
const (
	ReasonMalformed Reason = iota
	ReasonRequestTooLarge
	ReasonInvalidRequest
	ReasonUnknownService
	ReasonUnsupportedTransport
	ReasonForeignSupplier
	ReasonRetiredSupplier
	ReasonSessionExpired
	ReasonSessionUnknown
	ReasonBadSignature
	ReasonSessionMismatch
	ReasonSupplierNotInSession
	ReasonChain
	ReasonOverloaded
	ReasonRateLimited
	ReasonOverBudget
	ReasonMeter
	ReasonBackendsOut
	ReasonBackendUnreachable
	ReasonBackendTimeout
	ReasonResponseTooLarge
	ReasonEmptyResponse
	ReasonSign
	ReasonPublish
	ReasonClientGone
	reasonCount
)

// Code spaces of poktroll's pkg/relayer/proxy/errors.go and
// pkg/relayer/relay_authenticator/errors.go. Those packages are not imported:
// they register their errors globally and pull in the whole stock relayer.
const (
	codespaceProxy = "relayer_proxy"
	codespaceAuth  = "relay_authenticator"
)

// wireForm is how a refusal looks on the wire.
type wireForm struct {
	label       string
	codespace   string
	code        uint32
	description string // poktroll's text of that code
	ours        bool   // our failure, not the client's: logged as a warning
}

// wireForms is the one table from our reasons to what gateways read. SAGE charges
// a supplier nothing for relayer_proxy 1, 6, 7, 11-14 and relay_authenticator
// 1, 2, 4, so what the client did wrong must be one of those. HTTP status is
// 200 for all: gateways read the status of the transport as the health of the
// supplier and the code as the verdict on the relay.
var wireForms = [reasonCount]wireForm{
	ReasonMalformed:            {"malformed", codespaceProxy, 14, "failed to unmarshal relay request", false},
	ReasonRequestTooLarge:      {"request_too_large", codespaceProxy, 11, "max body size exceeded", false},
	ReasonInvalidRequest:       {"invalid_request", codespaceAuth, 4, "invalid relay request", false},
	ReasonUnknownService:       {"unknown_service", codespaceProxy, 3, "service endpoint not handled by relayer proxy", false},
	ReasonUnsupportedTransport: {"unsupported_transport", codespaceProxy, 4, "unsupported proxy transport type", false},
	ReasonForeignSupplier:      {"foreign_supplier", codespaceAuth, 6, "supplier operator address is missing", false},
	ReasonRetiredSupplier:      {"retired_supplier", codespaceAuth, 2, "supplier does not belong to session", false},
	ReasonSessionExpired:       {"session_expired", codespaceProxy, 1, "invalid session in relayer request", false},
	ReasonSessionUnknown:       {"session_unknown", codespaceProxy, 6, "relayer proxy encountered unknown session", false},
	ReasonBadSignature:         {"bad_signature", codespaceAuth, 4, "invalid relay request", false},
	ReasonSessionMismatch:      {"session_mismatch", codespaceAuth, 1, "invalid session in relayer request", false},
	ReasonSupplierNotInSession: {"supplier_not_in_session", codespaceAuth, 2, "supplier does not belong to session", false},
	ReasonChain:                {"chain", codespaceProxy, 5, "internal error", true},
	ReasonOverloaded:           {"overloaded", codespaceProxy, 7, "offchain rate limit hit by relayer proxy", false},
	ReasonRateLimited:          {"rate_limited", codespaceProxy, 7, "offchain rate limit hit by relayer proxy", false},
	ReasonOverBudget:           {"over_budget", codespaceProxy, 7, "offchain rate limit hit by relayer proxy", false},
	ReasonMeter:                {"meter", codespaceProxy, 5, "internal error", true},
	ReasonBackendsOut:          {"backends_out", codespaceProxy, 9, "supplier(s) not reachable", true},
	ReasonBackendUnreachable:   {"backend_unreachable", codespaceProxy, 9, "supplier(s) not reachable", true},
	ReasonBackendTimeout:       {"backend_timeout", codespaceProxy, 10, "relayer proxy request timed out", true},
	ReasonResponseTooLarge:     {"response_too_large", codespaceProxy, 12, "response limit exceed", true},
	ReasonEmptyResponse:        {"empty_response", codespaceProxy, 5, "internal error", true},
	ReasonSign:                 {"sign", codespaceAuth, 5, "invalid relay response", true},
	ReasonPublish:              {"publish", codespaceProxy, 5, "internal error", true},
	ReasonClientGone:           {"client_cancelled", codespaceAuth, 4, "invalid relay request", false}, // nobody reads it
}

// Close codes of a WebSocket, as clients of the field read them.
const (
	closeSessionExpired = 4000
	closeInvalid        = 4001
	closeLimit          = 4002
	closeBackend        = 4003
	closeInternal       = 1011
)

// closeCode is how a WebSocket ends for the reason.
func (r Reason) closeCode() int {
	switch r {
	case ReasonSessionExpired:
		return closeSessionExpired
	case ReasonBackendsOut, ReasonBackendUnreachable, ReasonBackendTimeout, ReasonResponseTooLarge, ReasonEmptyResponse:
		return closeBackend
	case ReasonOverBudget, ReasonRateLimited, ReasonOverloaded:
		return closeLimit
	case ReasonChain, ReasonMeter, ReasonSign, ReasonPublish, ReasonClientGone:
		return closeInternal
	}
	return closeInvalid
}

// handshakeStatus is the HTTP status of a WebSocket that is not opened.
func (r Reason) handshakeStatus() int {
	switch r {
	case ReasonOverloaded:
		return http.StatusTooManyRequests
	case ReasonChain:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// String is the reason as a metric label.
func (r Reason) String() string { return wireForms[r].label }

// Refusal is a relay that gets no signed answer.
type Refusal struct {
	Reason Reason
	// Detail is told to the client. Gateways scan error text for words such as
	// "timeout" or "connection refused" and punish what they find, so it never
	// carries the text of an error from below.
	Detail string
	// Cause is for the log only.
	Cause error
}

// refuse makes a refusal that the client is told everything about.
func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// refuseFor makes a refusal whose cause stays in our log.
func refuseFor(reason Reason, cause error, detail string) *Refusal {
	return &Refusal{Reason: reason, Detail: detail, Cause: cause}
}

// Error is the whole story, for logs.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.message() + ": " + r.Cause.Error()
	}
	return r.message()
}

func (r *Refusal) Unwrap() error { return r.Cause }

// message is what the client reads.
func (r *Refusal) message() string {
	a := wireForms[r.Reason]
	if r.Detail == "" {
		return a.description
	}
	return r.Detail + ": " + a.description
}

// response is the refusal as the protocol carries it: unsigned, the text as
// payload, the code in relay_miner_error (poktroll pkg/relayer/proxy/error_reply.go).
func (r *Refusal) response(header *sessiontypes.SessionHeader) *servicetypes.RelayResponse {
	if header == nil {
		header = &sessiontypes.SessionHeader{}
	}
	a, message := wireForms[r.Reason], r.message()
	return &servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: header},
		Payload: []byte(message),
		RelayMinerError: &servicetypes.RelayMinerError{
			Codespace:   a.codespace,
			Code:        a.code,
			Description: a.description,
			Message:     message,
		},
	}
}

// serialize is the refusal as bytes, with the session header of r if it has one.
func (r *Refusal) serialize(of *relay) []byte {
	var header *sessiontypes.SessionHeader
	if of != nil {
		header = of.header()
	}
	out, err := r.response(header).Marshal()
	if err != nil {
		// Unreachable: the message is plain strings and integers.
		return nil
	}
	return out
}
