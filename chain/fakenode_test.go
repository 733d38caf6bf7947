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

	abci "github.com/cometbft/cometbft/abci/types"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/fasthttp/websocket"
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
	blockTime time.Duration // between the times of blocks
	silent    bool          // pushes nothing
	bank      fakeBank
	sockets   map[*websocket.Conn]bool
	txs       map[int64][]cmttypes.Tx // by height
	events    map[int64][]abci.Event
	lags      bool // the next results of a block are not there yet
}

func newFakeNode(t *testing.T) *fakeNode {
	t.Helper()
	n := &fakeNode{chainID: "test", height: 100, released: make(chan struct{}), sockets: make(map[*websocket.Conn]bool)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", n.serveRPC)
	mux.HandleFunc("/websocket", n.serveSocket)
	n.rpc = httptest.NewServer(mux)
	n.grpc = grpc.NewServer()
	sharedtypes.RegisterQueryServer(n.grpc, n)
	banktypes.RegisterQueryServer(n.grpc, &n.bank)
	n.addr = serveGRPC(t, n.grpc)
	t.Cleanup(func() {
		close(n.released)
		n.hangUp()
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
		Params struct {
			Height int64 `json:"height,string"`
		} `json:"params"`
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
			n.chainID, n.height, n.header(n.height).Time.Format(time.RFC3339Nano))
	case "header":
		header := n.header(call.Params.Height)
		result = encoded(ctypes.ResultHeader{Header: &header})
	case "block":
		header := n.header(call.Params.Height)
		result = encoded(ctypes.ResultBlock{Block: &cmttypes.Block{Header: header, Data: cmttypes.Data{Txs: n.txs[header.Height]}}})
	case "block_results":
		if n.lags {
			n.lags = false
			http.Error(w, "no results yet", http.StatusInternalServerError)
			return
		}
		height := call.Params.Height
		result = encoded(ctypes.ResultBlockResults{Height: height, FinalizeBlockEvents: n.events[height], TxsResults: ran(n.txs[height])})
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

func ran(txs []cmttypes.Tx) (results []*abci.ExecTxResult) {
	for range txs {
		results = append(results, &abci.ExecTxResult{})
	}
	return results
}

func encoded(result any) string {
	text, err := cmtjson.Marshal(result)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (n *fakeNode) header(height int64) cmttypes.Header {
	return cmttypes.Header{ChainID: n.chainID, Height: height, Time: time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(height) * n.blockTime)}
}

// serveSocket takes a subscription to new blocks.
func (n *fakeNode) serveSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	n.sockets[conn] = true
}

// commit makes blocks, and pushes the last.
func (n *fakeNode) commit(blocks int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.height += blocks
	if n.silent {
		return
	}
	event := encoded(ctypes.ResultEvent{Query: "q", Data: cmttypes.EventDataNewBlockHeader{Header: n.header(n.height)}})
	for conn := range n.sockets {
		_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"result":%s}`, event))
	}
}

// hangUp closes the subscriptions.
func (n *fakeNode) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for conn := range n.sockets {
		_ = conn.Close()
	}
	clear(n.sockets)
}

func (n *fakeNode) subscribers() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sockets)
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
