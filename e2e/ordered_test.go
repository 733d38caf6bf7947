package e2e

import (
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// On a chain that has unordered transactions off, claims and proofs go out by account
// sequences, also after a leader was killed: everything is paid, nothing twice.
func TestClaimsOrdered(t *testing.T) {
	n, ctx := startOptions(t, devnet.Options{Chain: pocketchain.Options{Suppliers: 2, Ordered: true}})
	report := n.drive(ctx, devnet.DriveOptions{Relays: 200, Sessions: 2, KillLeader: 1})
	t.Logf("%+v", report)
	checkAllPaid(t, report)
	if n.sumOf(ctx, "ha_miner_tx_ordered") == 0 {
		t.Error("no leader noticed that the chain wants sequences")
	}
}
