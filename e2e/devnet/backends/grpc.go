package backends

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// EchoMethod is the gRPC backend's unary method: bytes in, the same bytes out,
// as google.protobuf.BytesValue.
const EchoMethod = "/raftminer.demo.Echo/Echo"

type echoServer interface {
	Echo(ctx context.Context, in *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error)
}

type echoService struct{}

func (echoService) Echo(_ context.Context, in *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return in, nil
}

func newGRPC() *grpc.Server {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxBody))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "raftminer.demo.Echo",
		HandlerType: (*echoServer)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: handleEcho}},
	}, echoService{})
	return server
}

func handleEcho(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.BytesValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	return srv.(echoServer).Echo(ctx, in)
}
