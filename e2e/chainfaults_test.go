package e2e

import (
	"strings"
	"testing"

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
		m.set(fault)
		if err := n.Chain().WaitHeight(ctx, n.Chain().Height()+faultLasts); err != nil {
			t.Fatal(err)
		}
		m.set(honest)
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
