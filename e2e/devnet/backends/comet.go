package backends

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// serveComet answers like a CometBFT node that never moves: by path
// (/comet/status) and as JSON-RPC by method.
func serveComet(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/comet/")
	id := json.RawMessage("-1")
	if r.Method == http.MethodPost {
		var req rpcRequest
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil || json.Unmarshal(body, &req) != nil {
			writeJSON(w, parseError())
			return
		}
		method, id = req.Method, req.ID
	}
	w.Header().Set("Content-Type", "application/json")
	res := rpcResponse{Version: "2.0", ID: id}
	switch method {
	case "health":
		res.Result = struct{}{}
	case "status":
		res.Result = map[string]any{
			"node_info": map[string]string{"network": "demo", "version": "0.38.23"},
			"sync_info": map[string]any{"latest_block_height": "16", "catching_up": false},
		}
	default:
		res.Error = &rpcError{Code: -32601, Message: "Method not found"}
	}
	writeJSON(w, res)
}
