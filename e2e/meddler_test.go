package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// meddling is what a meddler does to requests.
type meddling int32

const (
	honest     meddling = iota
	slow                // every answer is late
	flapping            // gone for every other half second
	swallowing          // transactions are taken and forgotten
	full                // transactions are refused
	mute                // transactions are passed on, and the answer is lost
	stale               // the status stays as it is, and nothing is pushed
)

func (m meddling) String() string {
	return [...]string{"honest", "slow", "flapping", "takes transactions and forgets", "refuses transactions", "loses answers to transactions", "stands still"}[m]
}

// lateness is less than a node is given up after, and most of two blocks.
const lateness = 500 * time.Millisecond

// meddler stands before a full node's RPC.
type meddler struct {
	met atomic.Int64 // requests that it did not just pass on

	mu     sync.Mutex
	mode   meddling
	status json.RawMessage // the last that was told while honest
}

func (m *meddler) set(mode meddling) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mode = mode
}

func (m *meddler) now() (meddling, json.RawMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mode, m.status
}

// before starts a server in front of an RPC, and is its URL.
func (m *meddler) before(t *testing.T, rpc string) string {
	target, err := url.Parse(rpc)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // who asks two nodes hangs up on the slower
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(question))
		m.serve(w, r, question, proxy)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (m *meddler) serve(w http.ResponseWriter, r *http.Request, question []byte, node http.Handler) {
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	_ = json.Unmarshal(question, &call) // not all questions are calls
	tx := strings.HasPrefix(call.Method, "broadcast_tx")
	switch mode, status := m.now(); {
	case mode == slow:
		m.met.Add(1)
		select {
		case <-time.After(lateness):
			node.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	case mode == flapping && time.Now().UnixMilli()/500%2 == 0:
		m.met.Add(1)
		http.Error(w, "gone", http.StatusBadGateway)
	case mode == swallowing && tx:
		m.met.Add(1)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"code":0,"data":"","log":"","codespace":"","hash":""}}`, call.ID)
	case mode == full && tx:
		m.met.Add(1)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"Internal error","data":"mempool is full"}}`, call.ID)
	case mode == mute && tx:
		m.met.Add(1)
		node.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // closes the connection
	case mode == stale && call.Method == "status" && status != nil:
		m.met.Add(1)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, status)
	case call.Method == "status":
		m.remember(w, r, node)
	case r.Header.Get("Upgrade") != "":
		node.ServeHTTP(stalling{w, m}, r)
	default:
		node.ServeHTTP(w, r)
	}
}

// remember passes a status on and keeps it.
func (m *meddler) remember(w http.ResponseWriter, r *http.Request, node http.Handler) {
	answer := httptest.NewRecorder()
	node.ServeHTTP(answer, r)
	var said struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &said); err == nil {
		m.mu.Lock()
		m.status = said.Result
		m.mu.Unlock()
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// stalling takes over a connection whose pushes stay behind while the node is stale.
type stalling struct {
	http.ResponseWriter
	m *meddler
}

// Hijack implements http.Hijacker.
func (s stalling) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(s.ResponseWriter).Hijack()
	return stalledConn{conn, s.m}, buffer, err
}

type stalledConn struct {
	net.Conn
	m *meddler
}

// Write implements net.Conn. A stalled node drops what it should push: its client
// sees an open connection on which nothing comes.
func (c stalledConn) Write(p []byte) (int, error) {
	if mode, _ := c.m.now(); mode == stale {
		c.m.met.Add(1)
		return len(p), nil
	}
	return c.Conn.Write(p)
}
