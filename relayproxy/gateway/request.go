package gateway

import (
	"fmt"
	"net/http"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// Call is a request to a service's backend, before it is wrapped in a relay.
type Call struct {
	Method string
	URL    string // path and query; the supplier puts its backend's host before it
	Header http.Header
	Body   []byte
}

// payload is the call as the protocol carries it, encoded deterministically.
func (call Call) payload() ([]byte, error) {
	wrapped := &sdktypes.POKTHTTPRequest{
		Method: call.Method, Url: call.URL, BodyBz: call.Body, Header: make(map[string]*sdktypes.Header),
	}
	for key, values := range call.Header {
		wrapped.Header[key] = &sdktypes.Header{Key: key, Values: values}
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(wrapped)
	if err != nil {
		return nil, fmt.Errorf("encode call: %w", err)
	}
	return raw, nil
}

// Relay wraps a call in a relay request to supplier, and signs it.
func (c *Client) Relay(s *Session, supplier string, call Call) (*servicetypes.RelayRequest, error) {
	payload, err := call.payload()
	if err != nil {
		return nil, err
	}
	return c.RelayPayload(s, supplier, payload)
}

// RelayPayload signs a relay request whose payload is already encoded, as
// WebSocket frames are.
func (c *Client) RelayPayload(s *Session, supplier string, payload []byte) (*servicetypes.RelayRequest, error) {
	req := &servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader: s.Header, SupplierOperatorAddress: supplier,
		},
		Payload: payload,
	}
	if err := c.Sign(s, req); err != nil {
		return nil, err
	}
	return req, nil
}

// Sign puts the gateway's ring signature over req as it is, so that tests may
// sign what an honest gateway would not send.
func (c *Client) Sign(s *Session, req *servicetypes.RelayRequest) error {
	hash, err := req.GetSignableBytesHash()
	if err != nil {
		return fmt.Errorf("hash relay request: %w", err)
	}
	if req.Meta.Signature, err = s.sign(hash, c.key); err != nil {
		return fmt.Errorf("ring-sign relay request: %w", err)
	}
	return nil
}
