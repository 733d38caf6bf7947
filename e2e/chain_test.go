package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

const (
	nodesUpMetric = "ha_chain_node_up"
	headMetric    = "ha_chain_block_height"
	// gapAllowed is in blocks of 300 ms, on a machine that also runs everything else.
	gapAllowed = 10
)

// Three full nodes, and relays all the time. One after the other cannot be reached,
// shows an old block, or comes back. No relay fails, nobody is blind for long, and
// everything is paid.
func TestChainNodes(t *testing.T) {
	c, frozen := newCords(t), &freezer{}
	n, ctx := startWith(t, "", func(name string, config map[string]any) {
		chain := config["chain"].(map[string]any)
		node := chain["nodes"].([]any)[0].(map[string]any)
		var three []any
		for i, rpc := range []string{node["rpc"].(string), frozen.before(t, node["rpc"].(string)), node["rpc"].(string)} {
			cord := fmt.Sprintf("node-%d", i)
			three = append(three, map[string]any{"rpc": c.through(cord, rpc), "grpc": c.through(cord, node["grpc"].(string))})
		}
		chain["nodes"] = three
	})
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	for _, step := range []struct {
		name string
		do   func()
		up   float64
	}{
		{"all are there", func() {}, 3},
		{"the first hangs", func() { c.hold("node-0") }, 2},
		{"the second stands still", frozen.freeze, 1},
		{"the first is back", func() { c.release("node-0") }, 2},
		{"the third hangs", func() { c.hold("node-2") }, 1},
		{"all are back", func() { c.release("node-2"); frozen.thaw() }, 3},
	} {
		step.do()
		gap := 0.0
		for _, p := range n.processes() {
			n.await(ctx, fmt.Sprintf("%s: %s asks %v nodes", step.name, p.Name, step.up), func() bool {
				gap = max(gap, n.gap(ctx, p.Name))
				return n.metric(ctx, p.Name, nodesUpMetric) == step.up
			})
		}
		t.Logf("%s: at most %.0f blocks behind", step.name, gap)
		if gap > gapAllowed {
			t.Errorf("%s: a process was %.0f blocks behind", step.name, gap)
		}
	}
	checkPaid(t, paid())
}

// All full nodes are away for longer than anything the relayer knows of a session is
// fresh. Relays of a session it knows go on, and are paid.
func TestChainAway(t *testing.T) {
	c := newCords(t)
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 130
	n, ctx := startOptions(t, devnet.Options{Edit: c.edit, Chain: pocketchain.Options{Params: &params}})
	b := newBadInput(t, ctx, n)
	freshSession(b)
	var cords []string
	for _, p := range n.processes() {
		cords = append(cords, p.Name+"/chain")
	}
	const relays, perSecond, known = 930, 30, 60
	hold, away := sync.Once{}, make(chan struct{})
	report, err := n.Drive(ctx, devnet.DriveOptions{Relays: relays, RPS: perSecond, Sessions: 1, Progress: func(p devnet.Progress) {
		switch {
		case p.Answered >= relays-2*perSecond:
			c.release(cords...)
		case p.Answered >= known:
			hold.Do(func() { c.hold(cords...); close(away) })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-away
	t.Logf("%+v", report)
	if report.RelaysAnswered != relays || report.RelaysFailed != 0 || report.RelaysLost != 0 {
		t.Errorf("%d relays answered, %d failed, %d lost, want %d, 0, 0", report.RelaysAnswered, report.RelaysFailed, report.RelaysLost, relays)
	}
	if report.ClaimsSettled != report.ClaimsSubmitted || report.LeavesClaimed != relays {
		t.Errorf("%d of %d claims settled with %d leaves", report.ClaimsSettled, report.ClaimsSubmitted, report.LeavesClaimed)
	}
	stale := 0.0
	for _, p := range n.Manifest().Relayers {
		stale += n.metric(ctx, p.Name, "ha_chain_stale_answers_total")
	}
	if stale <= 0 {
		t.Error("no answer was stale: the chain was not away for long enough")
	}
}

// gap is how many blocks a process is behind the chain.
func (n *network) gap(ctx context.Context, name string) float64 {
	height := float64(n.Chain().Height())
	if seen := n.metric(ctx, name, headMetric); seen > 0 {
		return max(0, height-seen)
	}
	return 0
}

// freezer passes questions on to a full node's RPC. While it is frozen it tells its
// status as it was.
type freezer struct {
	mu     sync.Mutex
	frozen bool
	status json.RawMessage
}

func (f *freezer) set(frozen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = frozen
}

func (f *freezer) freeze() { f.set(true) }
func (f *freezer) thaw()   { f.set(false) }

// before starts a server in front of an RPC, and is its URL.
func (f *freezer) before(t *testing.T, rpc string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer, err := f.answer(r.Context(), rpc, question)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (f *freezer) answer(ctx context.Context, rpc string, question []byte) ([]byte, error) {
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if err := json.Unmarshal(question, &call); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if call.Method == "status" && f.frozen && f.status != nil {
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, f.status), nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, rpc, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if call.Method == "status" && err == nil {
		var said struct {
			Result json.RawMessage `json:"result"`
		}
		if err := json.Unmarshal(answer, &said); err != nil {
			return nil, err
		}
		f.status = said.Result
	}
	return answer, err
}
