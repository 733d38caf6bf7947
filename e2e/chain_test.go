package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

const (
	nodesUpMetric = "ha_chain_node_up"
	headMetric    = "ha_chain_block_height"
	gapMetric     = "ha_chain_feed_gap_blocks"
	pollsMetric   = "ha_chain_node_polls_total"
	pushingMetric = "ha_chain_node_pushing"
	// gapAllowed is in blocks of 300 ms, on a machine that also runs everything else:
	// far less than two blocks of a chain that people use.
	gapAllowed = 10
)

// Three full nodes, and relays all the time. One after the other cannot be reached,
// shows an old block, or comes back. No relay fails, nobody is blind for long, and
// everything is paid.
func TestChainNodes(t *testing.T) {
	c, second := newCords(t), &meddler{}
	n, ctx := startWith(t, "", func(name string, config map[string]any) {
		chain := config["chain"].(map[string]any)
		node := chain["nodes"].([]any)[0].(map[string]any)
		var three []any
		for i, rpc := range []string{node["rpc"].(string), second.before(t, node["rpc"].(string)), node["rpc"].(string)} {
			cord := fmt.Sprintf("node-%d", i)
			three = append(three, map[string]any{"rpc": c.through(cord, rpc), "grpc": c.through(cord, node["grpc"].(string))})
		}
		chain["nodes"] = three
	})
	n.awaitPushes(ctx)
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	for _, step := range []struct {
		name string
		do   func()
		up   float64
	}{
		{"all are there", func() {}, 3},
		{"the first hangs", func() { c.hold("node-0") }, 2},
		{"the second stands still", func() { second.set(stale) }, 1},
		{"the first is back", func() { c.release("node-0") }, 2},
		{"the third hangs", func() { c.hold("node-2") }, 1},
		{"all are back", func() { c.release("node-2"); second.set(honest) }, 3},
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
	n.awaitPushes(ctx)
	checkPaid(t, paid())
	for _, p := range n.processes() {
		gap := n.metric(ctx, p.Name, gapMetric)
		t.Logf("%s passed over %.0f blocks at once at most", p.Name, gap)
		if gap > gapAllowed {
			t.Errorf("%s passed over %.0f blocks at once", p.Name, gap)
		}
	}
	n.checkUnstaking(ctx)
}

// checkUnstaking has a supplier unstake: every process tells it, and what is lacking
// now, long before it would ask by itself.
func (n *network) checkUnstaking(ctx context.Context) {
	n.t.Helper()
	supplier := n.Chain().Actors().Suppliers[0]
	msg := suppliertypes.NewMsgUnstakeSupplier(supplier.Address, supplier.Address)
	if _, err := n.Chain().Send(ctx, supplier, msg); err != nil {
		n.t.Fatal(err)
	}
	for _, p := range n.processes() {
		n.await(ctx, p.Name+" tells that a supplier unstakes", func() bool {
			return n.metric(ctx, p.Name, "ha_keys_supplier_events_total") == 1 && n.metric(ctx, p.Name, "ha_keys_suppliers_lacking") == 1
		})
	}
}

// awaitPushes waits until every process has two nodes that push, and tells how often
// it polls them.
func (n *network) awaitPushes(ctx context.Context) {
	n.t.Helper()
	for _, p := range n.processes() {
		n.await(ctx, p.Name+" has two nodes that push", func() bool { return n.metric(ctx, p.Name, pushingMetric) == 2 })
	}
	const blocks = 10
	name := n.Manifest().Relayers[0].Name
	before := n.metric(ctx, name, pollsMetric)
	if err := n.Chain().WaitHeight(ctx, n.Chain().Height()+blocks); err != nil {
		n.t.Fatal(err)
	}
	polls := n.metric(ctx, name, pollsMetric) - before
	n.t.Logf("%s: %.1f polls a block and node", name, polls/blocks/3)
}

// All full nodes are away for longer than anything the relayer knows of a session is
// fresh. Relays of a session it knows go on, and are paid. It is one relayer: of two, one
// may get its first relay of a service only when nobody can tell it the difficulty.
func TestChainAway(t *testing.T) {
	c := newCords(t)
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 130
	n, ctx := startOptions(t, devnet.Options{Relayers: 1, Edit: c.edit, Chain: pocketchain.Options{Params: &params}})
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

// All full nodes are away for longer than the grace: relays go on for as long as what
// is known may serve, and the risk is counted; then they are refused, in time for a
// client to ask another supplier. When the nodes are back relays are served again.
func TestChainGone(t *testing.T) {
	c := newCords(t)
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 800 // four minutes: it outlasts the test
	n, ctx := startOptions(t, devnet.Options{Relayers: 1, Chain: pocketchain.Options{Params: &params}, Edit: func(name string, config map[string]any) {
		c.edit(name, config)
		config["chain"].(map[string]any)["grace"] = "3s"
	}})
	b := newBadInput(t, ctx, n)
	if got := b.refusal(b.request(nil)); got != "served" {
		t.Fatalf("a relay before: got %s", got)
	}
	var cords []string
	for _, p := range n.processes() {
		cords = append(cords, p.Name+"/chain")
	}
	c.hold(cords...)
	away, served, refused := time.Now(), 0, ""
	n.await(ctx, "relays are refused", func() bool {
		if refused = b.refusal(b.request(nil)); refused == "served" {
			served++
		}
		return refused != "served"
	})
	t.Logf("%d relays were served in %s without the chain, then: %s", served, time.Since(away).Round(time.Second), refused)
	relayer := n.Manifest().Relayers[0].Name
	if stale := n.metric(ctx, relayer, "ha_chain_stale_answers_total"); served == 0 || stale <= 0 {
		t.Errorf("%d relays were served without the chain, %v answers were stale, want some of both", served, stale)
	}
	const gatewayPatience = 10 * time.Second
	asked := time.Now()
	if got := b.refusal(b.request(nil)); got != refused || time.Since(asked) > gatewayPatience {
		t.Errorf("the next relay: got %s after %s, want %s", got, time.Since(asked), refused)
	}
	c.release(cords...)
	n.await(ctx, "relays are served again", func() bool { return b.refusal(b.request(nil)) == "served" })
}

// gap is how many blocks a process is behind the chain.
func (n *network) gap(ctx context.Context, name string) float64 {
	height := float64(n.Chain().Height())
	if seen := n.metric(ctx, name, headMetric); seen > 0 {
		return max(0, height-seen)
	}
	return 0
}
