package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 128 << 20

// Send signs a call for supplier, posts it to target and checks the answer.
func (c *Client) Send(
	ctx context.Context, target string, s *Session, supplier string, rpcType sharedtypes.RPCType, call Call,
) (*Answer, error) {
	req, err := c.Relay(s, supplier, call)
	if err != nil {
		return nil, err
	}
	return c.Post(ctx, target, s, req, rpcType)
}

// Post sends a signed relay request and checks the answer.
func (c *Client) Post(
	ctx context.Context, target string, s *Session, req *servicetypes.RelayRequest, rpcType sharedtypes.RPCType,
) (*Answer, error) {
	body, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay request: %w", err)
	}
	status, raw, err := c.PostRaw(ctx, target, body, rpcType)
	if err != nil {
		return nil, err
	}
	answer, err := c.Check(ctx, s, req, raw)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		refusal.HTTPStatus = status
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%w: HTTP status %d", ErrAnswer, status)
	}
	return answer, err
}

// PostRaw posts a body as it is, so that tests may send what is no relay. An
// rpcType of 0 leaves the header out.
func (c *Client) PostRaw(
	ctx context.Context, target string, body []byte, rpcType sharedtypes.RPCType,
) (status int, answer []byte, err error) {
	res, err := c.open(ctx, target, body, rpcType)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return res.StatusCode, nil, fmt.Errorf("read answer of %s: %w", target, err)
	}
	return res.StatusCode, raw, nil
}

// open posts a body and returns the answer before its body is read.
func (c *Client) open(ctx context.Context, target string, body []byte, rpcType sharedtypes.RPCType) (*http.Response, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("relay to %s: %w", target, err)
	}
	post.Header.Set("Content-Type", "application/octet-stream")
	c.mark(post.Header)
	if rpcType != 0 {
		post.Header.Set("Rpc-Type", strconv.Itoa(int(rpcType)))
	}
	res, err := c.http.Do(post)
	if err != nil {
		return nil, fmt.Errorf("relay to %s: %w", target, err)
	}
	return res, nil
}
