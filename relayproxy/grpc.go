package relayproxy

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// The relay service that gateways call over gRPC: a RelayRequest in, a RelayResponse
// out, refusals included; one for each event if the backend streams.
const (
	relayService = "pocket.service.RelayService"
	relayMethod  = "SendRelay"
)

// How often clients are asked for a sign of life, and how often they may ask.
const (
	grpcPing    = 30 * time.Second
	grpcMinPing = 5 * time.Second
	// grpcStreams bounds the relays of one connection.
	grpcStreams = 1000
)

// newGRPCServer serves relays over gRPC. Messages stay bytes here: the pipeline
// decodes them, as on every transport. A unary call and one whose answers are streamed
// look alike until the second answer, so one method serves both.
func newGRPCServer(s *Server, cfg Config) *grpc.Server {
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(bytesCodec{}), grpc.MaxRecvMsgSize(cfg.maxRequestBody()), grpc.ConnectionTimeout(sniffTime),
		grpc.MaxConcurrentStreams(grpcStreams), grpc.InTapHandle(messageWithin(cfg.Limits.readTimeout())),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout, Time: grpcPing, Timeout: grpcPing}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: grpcMinPing, PermitWithoutStream: true}),
	)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: relayService,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: relayMethod, ServerStreams: true, Handler: func(_ any, call grpc.ServerStream) error {
			return s.handleGRPC(call)
		}}},
	}, s)
	return server
}

// handleGRPC serves one relay. What is refused is answered too: gateways read the
// code in the response, and the status as the health of the supplier.
func (s *Server) handleGRPC(call grpc.ServerStream) error {
	ctx := call.Context()
	body, err := readMessage(call)
	if err != nil {
		return err
	}
	h := s.pipeline.admission.hold()
	defer h.leave()
	out, r, refusal := s.pipeline.serveBody(ctx, h, incoming{
		body: body, rpcType: fromMetadata(ctx, headerRPCType), simulate: fromMetadata(ctx, headerSimulation), arrived: time.Now(),
	})
	if refusal != nil {
		out.reply = s.refuse(r, refusal)
	}
	if out.stream == nil {
		return call.SendMsg(&out.reply)
	}
	s.send(out.stream, out.reply, func(chunk []byte) error { return call.SendMsg(&chunk) })
	return nil
}

// fromMetadata is what a client sent under a name.
func fromMetadata(ctx context.Context, name string) []byte {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return []byte(values[0])
	}
	return nil
}

// bytesCodec passes messages through as they are.
type bytesCodec struct{}

// Marshal implements encoding.CodecV2.
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("encode %T as bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("decode bytes as %T", v)
	}
	*b = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2: what is on the wire is protobuf.
func (bytesCodec) Name() string { return "proto" }
