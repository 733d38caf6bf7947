package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/relayproxy"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// relayCall makes the n-th request of a kind.
type relayCall func(n int) gateway.Call

// relayKind is a kind of API that relays are for.
type relayKind struct {
	name, use, short, example string
	args                      int
	fallback                  []string // of arguments that are not given
	rpcType                   func(o *relayOptions) sharedtypes.RPCType
	build                     func(o *relayOptions, args []string) (relayCall, error)
	send                      sendFunc
}

func fixed(t sharedtypes.RPCType) func(*relayOptions) sharedtypes.RPCType {
	return func(*relayOptions) sharedtypes.RPCType { return t }
}

func relayKinds() []relayKind {
	return []relayKind{
		{
			name: "jsonrpc", use: "jsonrpc [METHOD [PARAMS]]", short: "JSON-RPC over HTTP", args: 2, fallback: []string{"eth_blockNumber", "[]"},
			example: `  raftminer relay jsonrpc eth_getBalance '["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]' --app pokt1... --service eth --node http://node:9090 --key-file gateway.key`,
			rpcType: fixed(relayproxy.RPCJSON), build: buildJSONRPC, send: sendHTTP,
		},
		{
			name: "rest", use: "rest [PATH]", short: "Any HTTP request", args: 1, fallback: []string{"/"},
			rpcType: fixed(relayproxy.RPCREST), build: buildHTTP, send: sendHTTP,
		},
		{
			name: "cometbft", use: "cometbft [METHOD]", short: "CometBFT RPC, by path", args: 1, fallback: []string{"status"},
			rpcType: fixed(relayproxy.RPCComet), build: buildHTTP, send: sendHTTP,
		},
		{
			name: "stream", use: "stream [PATH]", short: "A request whose answer is a stream of events (SSE, NDJSON)", args: 1, fallback: []string{"/"},
			rpcType: streamType, build: buildHTTP, send: sendStream,
		},
		{
			name: "websocket", use: "websocket [FRAME]", short: "A frame over a WebSocket", args: 1,
			fallback: []string{`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`},
			rpcType:  fixed(relayproxy.RPCWebSocket), build: buildFrame, send: sendSocket,
		},
		{
			name: "grpc", use: "grpc METHOD", short: "A gRPC call over gRPC; --data is the protobuf message", args: 1,
			example: "  raftminer relay grpc /cosmos.base.tendermint.v1beta1.Service/GetLatestBlock --app pokt1... --service cosmos --node http://node:9090 --key-file gateway.key",
			rpcType: fixed(relayproxy.RPCGRPC), build: buildGRPC, send: sendGRPC,
		},
	}
}

func streamType(o *relayOptions) sharedtypes.RPCType {
	t, _ := relayproxy.ParseRPCType(o.rpcType) // unknown: sent without a type
	return t
}

// buildJSONRPC numbers its requests.
func buildJSONRPC(o *relayOptions, args []string) (relayCall, error) {
	if !json.Valid([]byte(args[1])) {
		return nil, fmt.Errorf("parameters %q are not JSON", args[1])
	}
	header, err := o.header()
	if err != nil {
		return nil, err
	}
	header.Set("Content-Type", "application/json")
	return func(n int) gateway.Call {
		return gateway.Call{Method: http.MethodPost, URL: "/", Header: header, Body: fmt.Appendf(nil,
			`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, n+1, args[0], args[1])}
	}, nil
}

func buildHTTP(o *relayOptions, args []string) (relayCall, error) {
	header, err := o.header()
	if err != nil {
		return nil, err
	}
	body, err := o.body()
	if err != nil {
		return nil, err
	}
	method := o.method
	if method == "" && len(body) > 0 {
		method = http.MethodPost
	} else if method == "" {
		method = http.MethodGet
	}
	path := "/" + strings.TrimPrefix(args[0], "/")
	return func(int) gateway.Call { return gateway.Call{Method: method, URL: path, Header: header, Body: body} }, nil
}

// buildFrame: the body is the frame.
func buildFrame(_ *relayOptions, args []string) (relayCall, error) {
	return func(int) gateway.Call { return gateway.Call{Body: []byte(args[0])} }, nil
}

// buildGRPC frames the message as HTTP/2 carries it.
func buildGRPC(o *relayOptions, args []string) (relayCall, error) {
	if len(args) == 0 || !strings.HasPrefix(args[0], "/") {
		return nil, errors.New("METHOD is /package.Service/Method")
	}
	header, err := o.header()
	if err != nil {
		return nil, err
	}
	header.Set("Content-Type", "application/grpc")
	message, err := o.body()
	if err != nil {
		return nil, err
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	return func(int) gateway.Call {
		return gateway.Call{Method: http.MethodPost, URL: args[0], Header: header, Body: frame}
	}, nil
}
