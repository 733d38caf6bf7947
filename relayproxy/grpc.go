package relayproxy

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// The relay service that gateways call over gRPC: a RelayRequest in, a RelayResponse
// out, refusals included.
const (
	relayService = "pocket.service.RelayService"
	relayMethod  = "SendRelay"
)

// newGRPCServer serves relays over gRPC. Messages stay bytes here: the pipeline
// decodes them, as on every transport.
func newGRPCServer(s *Server, cfg Config) *grpc.Server {
	server := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.MaxRecvMsgSize(cfg.maxRequestBody()))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: relayService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: relayMethod, Handler: s.handleGRPC}},
	}, s)
	return server
}

// handleGRPC serves one relay. What is refused is answered too: gateways read the
// code in the response, and the status as the health of the supplier.
func (s *Server) handleGRPC(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var body []byte
	if err := decode(&body); err != nil {
		return nil, err
	}
	in := incoming{body: body, rpcType: fromMetadata(ctx, headerRPCType), simulate: fromMetadata(ctx, headerSimulation), arrived: time.Now()}
	h := s.pipeline.admission.hold()
	defer h.leave()
	out, r, refusal := s.pipeline.serveBody(ctx, h, in)
	if refusal == nil && out.stream != nil {
		out.stream.exchange.close()
		refusal = refuse(ReasonUnsupportedTransport, "event streams are not served over gRPC")
	}
	if refusal != nil {
		out.reply = s.refuse(r, refusal)
	}
	return &out.reply, nil
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
