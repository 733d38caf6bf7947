package backends

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody bounds what a demo backend reads of one request.
const maxBody = 64 << 20

type rpcRequest struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type rpcResponse struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// serveJSONRPC answers like an Ethereum node of a chain that never moves, plus
// demo_echo (answers its params), demo_status (answers with the HTTP status in
// its first param) and demo_sleep (answers after that many milliseconds).
func serveJSONRPC(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		var batch []rpcRequest
		if json.Unmarshal(trimmed, &batch) != nil {
			writeJSON(w, parseError())
			return
		}
		answers := make([]rpcResponse, len(batch))
		for i, req := range batch {
			answers[i] = answer(req)
		}
		writeJSON(w, answers)
		return
	}
	var req rpcRequest
	if json.Unmarshal(body, &req) != nil {
		writeJSON(w, parseError())
		return
	}
	pace(w, r, req)
	writeJSON(w, answer(req))
}

// pace does what demo_status and demo_sleep ask for, before the answer.
func pace(w http.ResponseWriter, r *http.Request, req rpcRequest) {
	var n []int
	if json.Unmarshal(req.Params, &n) != nil || len(n) == 0 {
		return
	}
	switch req.Method {
	case "demo_status":
		w.WriteHeader(n[0])
	case "demo_sleep":
		select {
		case <-time.After(time.Duration(n[0]) * time.Millisecond):
		case <-r.Context().Done():
		}
	}
}

func answer(req rpcRequest) rpcResponse {
	res := rpcResponse{Version: "2.0", ID: req.ID}
	switch req.Method {
	case "eth_chainId":
		res.Result = "0x2329"
	case "eth_blockNumber":
		res.Result = "0x10"
	case "eth_getBalance":
		res.Result = "0xde0b6b3a7640000"
	case "net_version":
		res.Result = "9001"
	case "web3_clientVersion":
		res.Result = "raftminer-demo/1"
	case "demo_echo", "demo_status", "demo_sleep":
		res.Result = req.Params
	default:
		res.Error = &rpcError{Code: -32601, Message: fmt.Sprintf("the method %s does not exist", req.Method)}
	}
	return res
}

func parseError() rpcResponse {
	return rpcResponse{Version: "2.0", ID: json.RawMessage("null"), Error: &rpcError{Code: -32700, Message: "parse error"}}
}

func writeJSON(w http.ResponseWriter, value any) {
	// A client that hung up has no use for the error.
	_ = json.NewEncoder(w).Encode(value)
}
