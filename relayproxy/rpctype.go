package relayproxy

import (
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// RPCType is the kind of API a backend speaks, with the numbers that suppliers
// stake with and that gateways send, in decimal, in the Rpc-Type header.
type RPCType = sharedtypes.RPCType

// The RPC types of the protocol.
const (
	RPCUnknown   = sharedtypes.RPCType_UNKNOWN_RPC
	RPCGRPC      = sharedtypes.RPCType_GRPC
	RPCWebSocket = sharedtypes.RPCType_WEBSOCKET
	RPCJSON      = sharedtypes.RPCType_JSON_RPC
	RPCREST      = sharedtypes.RPCType_REST
	RPCComet     = sharedtypes.RPCType_COMET_BFT
)

// headerRPCType names the request header that carries the RPC type.
const headerRPCType = "Rpc-Type"

// RPCTypeName is the name of t in configuration and metrics.
func RPCTypeName(t RPCType) string {
	switch t {
	case RPCGRPC:
		return "grpc"
	case RPCWebSocket:
		return "websocket"
	case RPCJSON:
		return "jsonrpc"
	case RPCREST:
		return "rest"
	case RPCComet:
		return "cometbft"
	}
	return "unknown"
}

// ParseRPCType is the inverse of RPCTypeName.
func ParseRPCType(name string) (RPCType, bool) {
	for t := RPCGRPC; t <= RPCComet; t++ {
		if RPCTypeName(t) == name {
			return t, true
		}
	}
	return RPCUnknown, false
}

// rpcTypeOfHeader reads the Rpc-Type header: one decimal digit.
func rpcTypeOfHeader(value []byte) (t RPCType, ok bool) {
	if len(value) == 0 {
		return RPCUnknown, true
	}
	if len(value) != 1 || value[0] < '1' || value[0] > '5' {
		return RPCUnknown, false
	}
	return RPCType(value[0] - '0'), true
}
