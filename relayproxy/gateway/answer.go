package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// ErrAnswer is an answer that does not prove the supplier served the relay.
var ErrAnswer = errors.New("invalid relay answer")

// Refusal is a supplier's typed refusal to serve a relay.
type Refusal struct {
	HTTPStatus int
	servicetypes.RelayMinerError
}

// Error names the registered error and the supplier's own words.
func (r *Refusal) Error() string {
	return fmt.Sprintf("relay refused (%s %d): %s: %s", r.Codespace, r.Code, r.Description, r.Message)
}

// Answer is a checked relay: the supplier is bound to it by its signature.
type Answer struct {
	Request  *servicetypes.RelayRequest
	Response *servicetypes.RelayResponse
	Leaf     [sha256.Size]byte // the relay's key in the session tree
	Mined    bool              // the leaf meets the session's difficulty
}

// Check decodes a relay response and verifies everything the supplier answers
// for. A typed refusal comes back as *Refusal.
func (c *Client) Check(ctx context.Context, s *Session, req *servicetypes.RelayRequest, raw []byte) (*Answer, error) {
	res := new(servicetypes.RelayResponse)
	if err := res.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("%w: not a relay response: %w", ErrAnswer, err)
	}
	if refusal := res.GetRelayMinerError(); refusal != nil {
		return nil, &Refusal{RelayMinerError: *refusal}
	}
	hash := sha256.Sum256(res.Payload)
	switch {
	case len(res.Payload) == 0:
		return nil, fmt.Errorf("%w: empty payload", ErrAnswer)
	case !bytes.Equal(res.PayloadHash, hash[:]):
		return nil, fmt.Errorf("%w: payload hash is not that of the payload", ErrAnswer)
	case !equalHeaders(req, res):
		return nil, fmt.Errorf("%w: session header differs from the request's", ErrAnswer)
	}
	key, err := c.pubKey(ctx, req.Meta.SupplierOperatorAddress)
	if err != nil {
		return nil, err
	}
	if err := res.VerifySupplierOperatorSignature(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	leaf, err := LeafKey(req, res)
	if err != nil {
		return nil, err
	}
	return &Answer{Request: req, Response: res, Leaf: leaf, Mined: bytes.Compare(leaf[:], s.Target) < 0}, nil
}

func equalHeaders(req *servicetypes.RelayRequest, res *servicetypes.RelayResponse) bool {
	want, got := req.Meta.SessionHeader, res.Meta.SessionHeader
	return want != nil && got != nil && *want == *got
}

// Leaf is the value that a session tree holds for a relay: the response's
// payload is left out, its hash stays (poktroll pkg/relayer/miner).
func Leaf(req *servicetypes.RelayRequest, res *servicetypes.RelayResponse) ([]byte, error) {
	bare := *res
	bare.Payload = nil
	raw, err := (&servicetypes.Relay{Req: req, Res: &bare}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay: %w", err)
	}
	return raw, nil
}

// LeafKey is the key that a session tree holds a relay under.
func LeafKey(req *servicetypes.RelayRequest, res *servicetypes.RelayResponse) ([sha256.Size]byte, error) {
	raw, err := Leaf(req, res)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(raw), nil
}

// HTTP is the backend's answer inside the relay.
func (a *Answer) HTTP() (*sdktypes.POKTHTTPResponse, error) {
	res := new(sdktypes.POKTHTTPResponse)
	if err := proto.Unmarshal(a.Response.Payload, res); err != nil {
		return nil, fmt.Errorf("%w: payload is not an HTTP response: %w", ErrAnswer, err)
	}
	return res, nil
}
