package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// drainRounds is how many relayers TestRelayDrain stops, unless
// RAFTMINER_DRAIN_ROUNDS says otherwise.
const drainRounds = 3

// One of two relayers behind the balancer is stopped and started again, in turns,
// while relays flow that take their time at the backend. One of two backends is not
// there at all. No client may notice: each relay is sent once, to whichever relayer
// its connection leads to.
func TestRelayDrain(t *testing.T) {
	rounds := sizeOf(t, "RAFTMINER_DRAIN_ROUNDS", drainRounds)
	n, ctx := startFor(t, testTimeout*8, "", drainConfig)
	enough, stop := make(chan struct{}), sync.Once{}
	flowing := n.driveAside(ctx, devnet.DriveOptions{
		Until: enough, Tries: 1, Services: []string{"eth"}, Call: slowCall,
	})
	defer stop.Do(func() { close(enough) })
	for round := range rounds {
		name := fmt.Sprintf("relayer-%d", round%2+1)
		n.awaitServing(ctx, name)
		if round == 0 {
			n.drainByRequest(ctx, name)
		}
		if err := n.Kill(name, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := n.Wait(ctx, name); err != nil {
			t.Fatalf("round %d: %s ended with %v", round, name, err)
		}
		if err := n.Restart(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	stop.Do(func() { close(enough) })
	retries := n.metric(ctx, "relayer-1", "ha_relayer_backend_retries_total") + n.metric(ctx, "relayer-2", "ha_relayer_backend_retries_total")
	if retries < 1 {
		t.Errorf("%g relays were sent to another backend, want some", retries)
	}
	r := flowing()
	t.Logf("%d rounds: %+v", rounds, r)
	for failure, count := range r.Failures {
		// On a machine that is far too busy Redis takes longer than a relayer waits.
		if !strings.Contains(failure, "could not be recorded") {
			t.Errorf("%d of %d relays failed: %s", count, r.RelaysAnswered+r.RelaysFailed, failure)
		}
	}
	if r.RelaysLost != 0 || r.RelaysClaimedUnanswered != 0 || r.LeavesClaimed != r.RelaysMined {
		t.Errorf("%d relays mined, %d claimed, %d lost, %d claimed but unanswered", r.RelaysMined, r.LeavesClaimed, r.RelaysLost, r.RelaysClaimedUnanswered)
	}
	if r.ClaimsSettled != r.ClaimsSubmitted || r.ClaimsExpired != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d suppliers slashed", r.ClaimsSettled, r.ClaimsSubmitted, r.ClaimsExpired, r.SuppliersSlashed)
	}
}

// drainConfig leaves clients time to drop connections that they do not use, and gives
// eth a second backend, at a port that nobody listens on.
func drainConfig(_ string, config map[string]any) {
	services, ok := config["services"].(map[string]any)
	if !ok {
		return // a miner
	}
	config["relayer"].(map[string]any)["drain"] = map[string]any{"grace": "2s"}
	backend := services["eth"].(map[string]any)["backends"].(map[string]any)["jsonrpc"].(map[string]any)
	backend["urls"] = []any{backend["url"], "http://127.0.0.1:1"}
	backend["recovery_timeout"] = "200ms"
	delete(backend, "url")
}

// slowCall keeps a relay in flight for 100 ms.
func slowCall(_ string, i int) devnet.Load {
	return devnet.Load{RPCType: sharedtypes.RPCType_JSON_RPC, Call: gateway.Call{
		Method: http.MethodPost, URL: "/", Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"demo_sleep","params":[100]}`, i),
	}}
}

// awaitServing waits until relays flow through a relayer.
func (n *network) awaitServing(ctx context.Context, name string) {
	n.t.Helper()
	before := n.metric(ctx, name, "ha_relayer_relays_served_total")
	n.await(ctx, name+" serves relays", func() bool {
		return before >= 0 && n.metric(ctx, name, "ha_relayer_relays_served_total") >= before+10
	})
}

// drainByRequest asks a relayer to leave and waits until it has.
func (n *network) drainByRequest(ctx context.Context, name string) {
	n.t.Helper()
	url := ""
	for _, r := range n.Manifest().Relayers {
		if r.Name == name {
			url = strings.TrimSuffix(r.MetricsURL, "/metrics") + "/drain"
		}
	}
	res, err := http.Post(url, "", nil)
	if err != nil || res.StatusCode != http.StatusAccepted {
		n.t.Fatalf("POST /drain: %v, %v", res, err)
	}
	_ = res.Body.Close()
	n.await(ctx, name+" is drained", func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return err == nil && strings.Contains(string(body), `"drained"`) && !strings.Contains(string(body), "error")
	})
}
