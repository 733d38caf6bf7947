package gateway

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// sendRelay is the method of a supplier's relay service.
const sendRelay = "/pocket.service.RelayService/SendRelay"

// Invoke sends a signed relay request over gRPC and checks the answer.
func (c *Client) Invoke(
	ctx context.Context, conn *grpc.ClientConn, s *Session, req *servicetypes.RelayRequest, rpcType sharedtypes.RPCType,
) (*Answer, error) {
	body, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay request: %w", err)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "rpc-type", strconv.Itoa(int(rpcType)))
	if c.simulate != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(headerSimulation), c.simulate)
	}
	var reply []byte
	if err := conn.Invoke(ctx, sendRelay, &body, &reply, grpc.ForceCodecV2(rawCodec{})); err != nil {
		return nil, fmt.Errorf("relay over gRPC: %w", err)
	}
	return c.Check(ctx, s, req, reply)
}

// rawCodec passes messages through: they are encoded already.
type rawCodec struct{}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2.
func (rawCodec) Name() string { return "proto" }
