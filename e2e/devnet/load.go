package devnet

import (
	"fmt"
	"net/http"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Load is a call and the RPC type that it is sent as.
type Load struct {
	RPCType sharedtypes.RPCType
	Call    gateway.Call
}

// DefaultCall asks the demo backends something of their own kind; no two calls
// of a service are the same.
func DefaultCall(service string, i int) Load {
	if service == "eth" {
		return Load{RPCType: sharedtypes.RPCType_JSON_RPC, Call: gateway.Call{
			Method: http.MethodPost, URL: "/", Header: http.Header{"Content-Type": {"application/json"}},
			Body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"eth_blockNumber","params":[]}`, i),
		}}
	}
	return Load{RPCType: sharedtypes.RPCType_REST, Call: gateway.Call{
		Method: http.MethodGet, URL: fmt.Sprintf("/v1/items/%d?page=%d", i, i%7),
	}}
}
