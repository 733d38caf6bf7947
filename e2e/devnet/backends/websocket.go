package backends

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fasthttp/websocket"
)

// serveWebSocket answers JSON-RPC frames in the frame type they came in, echoes
// frames that are not JSON-RPC, and after demo_subscribe [n] pushes n messages
// that nobody asked for.
func serveWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()
	for {
		kind, frame, err := conn.ReadMessage()
		if err != nil {
			return
		}
		for _, reply := range replies(frame) {
			if conn.WriteMessage(kind, reply) != nil {
				return
			}
		}
	}
}

func replies(frame []byte) [][]byte {
	var req rpcRequest
	if json.Unmarshal(frame, &req) != nil || req.Method == "" {
		return [][]byte{frame}
	}
	var n []int
	if req.Method != "demo_subscribe" || json.Unmarshal(req.Params, &n) != nil || len(n) == 0 {
		return [][]byte{encode(answer(req))}
	}
	out := [][]byte{encode(rpcResponse{Version: "2.0", ID: req.ID, Result: "subscribed"})}
	for i := range min(n[0], 1000) {
		out = append(out, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"demo_subscription","params":{"n":%d}}`, i))
	}
	return out
}

func encode(res rpcResponse) []byte {
	raw, err := json.Marshal(res)
	if err != nil { // only a broken raw id or result can do this
		return encode(parseError())
	}
	return raw
}
