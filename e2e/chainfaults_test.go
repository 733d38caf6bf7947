package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// A fault lasts for a third of a window, and so does the peace after it: whatever is
// missed can be mended.
const (
	faultLasts  = 10 // blocks
	faultWindow = 3 * faultLasts
)

// The full node's RPC goes wrong in one way after the other while relays flow, with
// transactions above all. Everything is paid, and nothing twice.
func TestClaimsChainFaults(t *testing.T) {
	m := &meddler{}
	params := pocketchain.DefaultParams()
	params.ClaimWindowClose, params.ProofWindowClose = faultWindow, faultWindow
	n, ctx := startOptions(t, devnet.Options{Chain: pocketchain.Options{Params: &params}, Edit: func(name string, config map[string]any) {
		node := config["chain"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
		if strings.HasPrefix(name, "miner") {
			node["rpc"] = m.before(t, node["rpc"].(string))
		}
	}})
	enough := make(chan struct{})
	paid := n.driveAside(ctx, devnet.DriveOptions{Until: enough})
	if err := n.Chain().WaitHeight(ctx, n.Chain().Height()+2*faultLasts); err != nil {
		t.Fatal(err) // there are claims to lose from here on
	}
	for _, fault := range []meddling{slow, flapping, swallowing, full, mute} {
		before := m.met.Load()
		m.mode.Store(int32(fault))
		if err := n.Chain().WaitHeight(ctx, n.Chain().Height()+faultLasts); err != nil {
			t.Fatal(err)
		}
		m.mode.Store(int32(honest))
		met := m.met.Load() - before
		t.Logf("%-32s met %d requests", fault, met)
		if met == 0 {
			t.Errorf("%s met no request", fault)
		}
		if err := n.Chain().WaitHeight(ctx, n.Chain().Height()+faultLasts); err != nil {
			t.Fatal(err)
		}
	}
	close(enough)
	r := paid()
	t.Logf("%+v", r)
	checkAllPaid(t, r)
	for _, entry := range n.Chain().Entries() {
		if _, again := entry.Event.(*prooftypes.EventProofUpdated); again {
			t.Errorf("a proof was sent again at height %d", entry.Height)
		}
	}
}

// meddling is what a meddler does to requests.
type meddling int32

const (
	honest     meddling = iota
	slow                // every answer is late
	flapping            // gone for every other half second
	swallowing          // transactions are taken and forgotten
	full                // transactions are refused
	mute                // transactions are passed on, and the answer is lost
)

func (m meddling) String() string {
	return [...]string{"honest", "slow", "flapping", "takes transactions and forgets", "refuses transactions", "loses answers to transactions"}[m]
}

// lateness is less than a node is given up after, and most of two blocks.
const lateness = 500 * time.Millisecond

// meddler stands before a full node's RPC.
type meddler struct {
	mode atomic.Int32
	met  atomic.Int64 // requests that it did not just pass on
}

// before starts a server in front of an RPC, and is its URL.
func (m *meddler) before(t *testing.T, rpc string) string {
	target, err := url.Parse(rpc)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
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
	switch mode := meddling(m.mode.Load()); {
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
	default:
		node.ServeHTTP(w, r)
	}
}
