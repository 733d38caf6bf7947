package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// streamDelimiter follows every signed chunk of a streamed answer.
const streamDelimiter = "||POKT_STREAM||"

// Stream sends a signed relay request and hands each chunk of the answer to each,
// checked, as it arrives, until the stream or each ends. An answer that is no stream
// is one chunk.
func (c *Client) Stream(
	ctx context.Context, target string, s *Session, req *servicetypes.RelayRequest, rpcType sharedtypes.RPCType, each func(*Answer) error,
) error {
	body, err := req.Marshal()
	if err != nil {
		return fmt.Errorf("encode relay request: %w", err)
	}
	res, err := c.open(ctx, target, body, rpcType)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	chunks := bufio.NewReader(io.LimitReader(res.Body, maxAnswer))
	for {
		chunk, err := nextChunk(chunks)
		if errors.Is(err, io.EOF) && len(chunk) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read answer of %s: %w", target, err)
		}
		answer, err := c.Check(ctx, s, req, chunk)
		if err != nil {
			return err
		}
		if err := each(answer); err != nil {
			return err
		}
	}
}

// nextChunk reads up to the next delimiter, or what is left with io.EOF.
func nextChunk(r *bufio.Reader) ([]byte, error) {
	var chunk []byte
	for {
		part, err := r.ReadSlice('|')
		chunk = append(chunk, part...)
		if whole, ok := bytes.CutSuffix(chunk, []byte(streamDelimiter)); ok {
			return whole, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return chunk, err
		}
	}
}
