package relayproxy

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// call sends a relay over gRPC.
func (w *world) call(url string, body []byte, rpcType string) (*servicetypes.RelayResponse, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return w.callContext(ctx, url, body, rpcType)
}

func (w *world) callContext(ctx context.Context, url string, body []byte, rpcType string) (*servicetypes.RelayResponse, error) {
	w.t.Helper()
	conn := w.grpcConn(url)
	defer conn.Close()
	if rpcType != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, headerRPCType, rpcType)
	}
	var reply []byte
	if err := conn.Invoke(ctx, "/"+relayService+"/"+relayMethod, &body, &reply); err != nil {
		return nil, err
	}
	res := new(servicetypes.RelayResponse)
	return res, res.Unmarshal(reply)
}

func TestRelayOverGRPC(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	res, err := w.call(url, w.signed("hello"), "3")
	if err != nil || res.RelayMinerError != nil || !strings.Contains(string(res.Payload), "echo:hello") {
		t.Fatalf("got %v, %v", res, err)
	}
	if err := res.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
		t.Error(err)
	}
	if _, other := post(t, url, w.signed("same port")); other.RelayMinerError != nil {
		t.Errorf("over HTTP on the same port: %v", other.RelayMinerError)
	}
	if n := len(w.stream.published()); n != 2 {
		t.Errorf("%d relays were published, want 2", n)
	}
	refused, err := w.call(url, []byte("junk"), "")
	if err != nil || refused.RelayMinerError.GetCode() != 14 {
		t.Errorf("junk: got %v, %v", refused, err)
	}
	forged := w.request(jsonRPC("x"))
	forged.Meta.Signature = []byte("forged")
	if refused, err := w.call(url, marshal(t, forged), ""); err != nil || refused.RelayMinerError == nil {
		t.Errorf("a forged relay: got %v, %v", refused, err)
	}
	if n := len(w.stream.published()); n != 2 {
		t.Errorf("%d relays were published after refusals, want 2", n)
	}
}

// grpcBackend is a gRPC server that echoes bytes, and fails when told to.
func (w *world) grpcBackend() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	echo := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		if err := decode(&in); err != nil {
			return nil, err
		}
		switch string(in) {
		case "away":
			return nil, status.Error(codes.Unavailable, "away")
		case "bad":
			return nil, status.Error(codes.InvalidArgument, "bad")
		}
		return &in, nil
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "demo.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: echo}},
	}, w)
	go func() { _ = server.Serve(ln) }()
	w.t.Cleanup(server.Stop)
	w.config.Services[testService].Backends[RPCGRPC] = one("grpc://" + ln.Addr().String())
}

// unary is a gRPC call as HTTP/2 carries it.
func unary(message string) *sdktypes.POKTHTTPRequest {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return &sdktypes.POKTHTTPRequest{
		Method: "POST", Url: "/demo.Echo/Echo", BodyBz: append(frame, message...),
		Header: map[string]*sdktypes.Header{"Content-Type": {Key: "Content-Type", Values: []string{"application/grpc"}}},
	}
}

func TestGRPCBackend(t *testing.T) {
	w := newWorld(t)
	w.grpcBackend()
	_, url := w.start()
	tests := []struct {
		message, status, body string
		mined                 int // relays published so far
	}{
		{"hello", "0", "hello", 1},
		{"bad", "3", "", 2},   // the client's mistake is an answer
		{"away", "14", "", 2}, // the backend's is passed on, and not charged for
	}
	for _, test := range tests {
		t.Run(test.message, func(t *testing.T) {
			_, res := post(t, url, w.sign(w.request(unary(test.message))), headerRPCType, "1")
			if res.RelayMinerError != nil {
				t.Fatalf("refused: %v", res.RelayMinerError)
			}
			var answer sdktypes.POKTHTTPResponse
			if err := proto.Unmarshal(res.Payload, &answer); err != nil {
				t.Fatal(err)
			}
			got := answer.Header["Grpc-Status"].GetValues()
			if len(got) != 1 || got[0] != test.status || !strings.HasSuffix(string(answer.BodyBz), test.body) {
				t.Errorf("status %v, body %q", got, answer.BodyBz)
			}
			if n := len(w.stream.published()); n != test.mined {
				t.Errorf("%d relays were published, want %d", n, test.mined)
			}
		})
	}
}

// A connection that says nothing keeps nobody else from being served.
func TestSilentConnectionsHoldUpNobody(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	for range 50 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
		t.Errorf("refused: %v", res.RelayMinerError)
	}
}

// A call whose message does not come, or not to its end, is ended, and others on its
// connection are not.
func TestAMessageThatNeverComes(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.ReadTimeout = 200 * time.Millisecond
	_, url := w.start()
	conn := w.grpcConn(url)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), socketPatience)
	defer cancel()
	silent, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+relayService+"/"+relayMethod)
	if err != nil {
		t.Fatal(err)
	}
	var reply []byte
	if err := silent.RecvMsg(&reply); status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil {
		t.Errorf("without a message: %v", err)
	}
	// What takes longer at the backend than a message may take to come is served.
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		time.Sleep(3 * w.config.Limits.ReadTimeout)
		ctx.SetBodyString("late")
	})
	body := w.signed("{}")
	if err := conn.Invoke(ctx, "/"+relayService+"/"+relayMethod, &body, &reply); err != nil {
		t.Fatal(err)
	}
	var res servicetypes.RelayResponse
	if err := res.Unmarshal(reply); err != nil || res.RelayMinerError != nil {
		t.Errorf("got %v, %v", res.RelayMinerError, err)
	}
}
