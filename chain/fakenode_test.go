package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc"
)

// fakeNode is a full node that can go wrong in every way.
type fakeNode struct {
	sharedtypes.UnimplementedQueryServer
	rpc  *httptest.Server
	grpc *grpc.Server
	addr string // of gRPC

	mu        sync.Mutex
	chainID   string
	height    int64
	hangs     bool
	refuses   string // transactions, and why
	asked     int    // queries over gRPC
	broadcast int
	released  chan struct{}
}

func newFakeNode(t *testing.T) *fakeNode {
	t.Helper()
	n := &fakeNode{chainID: "test", height: 100, released: make(chan struct{})}
	n.rpc = httptest.NewServer(http.HandlerFunc(n.serveRPC))
	n.grpc = grpc.NewServer()
	sharedtypes.RegisterQueryServer(n.grpc, n)
	n.addr = serveGRPC(t, n.grpc)
	t.Cleanup(func() {
		close(n.released)
		n.rpc.Close()
		n.grpc.Stop()
	})
	return n
}

func (n *fakeNode) node() Node { return Node{RPC: n.rpc.URL, GRPC: "http://" + n.addr} }

func (n *fakeNode) set(f func(*fakeNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

func (n *fakeNode) questions() (asked, broadcast int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked, n.broadcast
}

// wait holds an answer back while the node hangs.
func (n *fakeNode) wait(ctx context.Context) {
	n.mu.Lock()
	hangs := n.hangs
	n.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
		case <-n.released:
		}
	}
}

func (n *fakeNode) serveRPC(w http.ResponseWriter, r *http.Request) {
	n.wait(r.Context())
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var result string
	switch call.Method {
	case "status":
		result = fmt.Sprintf(`{"node_info":{"network":%q},"sync_info":{"latest_block_hash":"AA","latest_block_height":"%d","latest_block_time":%q},"validator_info":{}}`,
			n.chainID, n.height, time.Now().UTC().Format(time.RFC3339Nano))
	case "broadcast_tx_sync":
		n.broadcast++
		code := 0
		if n.refuses != "" {
			code = 13
		}
		result = fmt.Sprintf(`{"code":%d,"data":"","log":%q,"codespace":"sdk","hash":"AA"}`, code, n.refuses)
	default:
		http.Error(w, "no such method", http.StatusNotFound)
		return
	}
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
}

// ParamsAtHeight implements sharedtypes.QueryServer.
func (n *fakeNode) ParamsAtHeight(ctx context.Context, _ *sharedtypes.QueryParamsAtHeightRequest) (*sharedtypes.QueryParamsAtHeightResponse, error) {
	n.wait(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return &sharedtypes.QueryParamsAtHeightResponse{Params: sharedtypes.DefaultParams()}, nil
}

// Params implements sharedtypes.QueryServer.
func (n *fakeNode) Params(context.Context, *sharedtypes.QueryParamsRequest) (*sharedtypes.QueryParamsResponse, error) {
	return &sharedtypes.QueryParamsResponse{Params: sharedtypes.DefaultParams()}, nil
}

// newFleet is a client of fake nodes, with a feed that runs.
func newFleet(t *testing.T, nodes ...*fakeNode) (*Client, *Feed) {
	t.Helper()
	var list []Node
	for _, n := range nodes {
		list = append(list, n.node())
	}
	client, err := Dial("test", list, Options{Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	feed := runFeed(t, client)
	t.Cleanup(func() { _ = client.Close() })
	eventually(t, "every node is seen", func() bool {
		return !slices.ContainsFunc(client.nodes.list, func(n *node) bool { return n.sight().block.Height == 0 })
	})
	return client, feed
}

// eventually waits for a condition, for long enough on any machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

var errFake = errors.New("fake")

func serveGRPC(t *testing.T, server *grpc.Server) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String()
}
