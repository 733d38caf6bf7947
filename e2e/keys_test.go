package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// While relays flow, the keys file is emptied, gets a key more beside something that is
// none, and loses it again. The emptied file changes nothing; the new supplier earns;
// the one that was taken away is paid for all that it served, and serves no later
// session.
func TestClaimsKeysReload(t *testing.T) {
	n, ctx := startOptions(t, devnet.Options{Keys: 2})
	suppliers := n.Chain().Actors().Suppliers
	enough, stop := make(chan struct{}), sync.Once{}
	flowing := n.driveAside(ctx, devnet.DriveOptions{Until: enough})
	defer stop.Do(func() { close(enough) })

	n.writeKeys(nil)
	for _, p := range n.processes() {
		n.await(ctx, p.Name+" refuses the emptied file", func() bool { return n.metric(ctx, p.Name, "ha_keys_load_errors_total") > 0 })
	}
	n.awaitKeys(ctx, "ha_keys_supplier_keys_active", 2)

	junk := pocketchain.Account{Key: &secp256k1.PrivKey{Key: []byte("half a key")}}
	n.writeKeys(slices.Concat(suppliers[:1], []pocketchain.Account{junk}, suppliers[1:]))
	n.awaitKeys(ctx, "ha_keys_supplier_keys_active", 3)
	n.checkDoctor(ctx)
	n.nextSession(ctx)

	n.writeKeys(suppliers[:2])
	n.awaitKeys(ctx, "ha_keys_supplier_keys_retired", 1)
	n.awaitKeys(ctx, "ha_keys_supplier_keys_active", 2)
	last := n.nextSession(ctx)
	stop.Do(func() { close(enough) })

	r := flowing()
	t.Logf("%+v", r)
	if r.RelaysFailed != 0 || r.RelaysLost != 0 || r.RelaysClaimedUnanswered != 0 {
		t.Errorf("%d relays failed %v, %d lost, %d claimed but unanswered", r.RelaysFailed, r.Failures, r.RelaysLost, r.RelaysClaimedUnanswered)
	}
	if r.ClaimsSubmitted == 0 || r.ClaimsSettled != r.ClaimsSubmitted || r.ClaimsExpired != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d suppliers slashed", r.ClaimsSettled, r.ClaimsSubmitted, r.ClaimsExpired, r.SuppliersSlashed)
	}
	lent, there := n.settledSessions(suppliers[2].Address), n.settledSessions(suppliers[0].Address)
	if len(lent) == 0 || slices.Max(lent) > last {
		t.Errorf("the supplier whose key came and went was paid for sessions that end at %d, want some, none after %d", lent, last)
	}
	if len(there) == 0 || slices.Max(there) <= last {
		t.Errorf("the supplier whose key stayed was paid for sessions that end at %d, want one after %d", there, last)
	}
}

// checkDoctor has a key added of which the chain knows nothing, to a directory that only
// the doctor reads.
func (n *network) checkDoctor(ctx context.Context) {
	n.t.Helper()
	relayer := n.Manifest().Relayers[0].Config
	found, err := exec.CommandContext(ctx, binary(n.t, "raftminer"), "doctor", "-c", relayer, "-o", "json").Output()
	if strings.Contains(string(found), "supplier") || !strings.Contains(string(found), "keys[1]: is not a key") || strings.Contains(string(found), "full node") {
		n.t.Errorf("the doctor says of a network with one bad entry: %s (%v)", found, err)
	}
	stranger := secp256k1.GenPrivKey()
	folder := n.t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "stranger"), []byte(hex.EncodeToString(stranger.Key)), 0o600); err != nil {
		n.t.Fatal(err)
	}
	text, err := os.ReadFile(relayer)
	if err != nil {
		n.t.Fatal(err)
	}
	own := filepath.Join(n.Dir(), "doctor.yaml")
	text = []byte(strings.Replace(string(text), "keys_file: keys.yaml", "keys_file: keys.yaml\n  keys_dir: "+folder, 1))
	if err := os.WriteFile(own, text, 0o600); err != nil {
		n.t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, binary(n.t, "raftminer"), "doctor", "-c", own, "-o", "json").Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		n.t.Errorf("doctor: %v, want exit code 3", err)
	}
	address := sdk.AccAddress(stranger.PubKey().Address()).String()
	for _, part := range []string{" is not staked", " has 0 uPOKT for fees", " has no public key on chain"} {
		if !strings.Contains(string(out), "supplier "+address+part) {
			n.t.Errorf("the doctor does not say that supplier %s%s: %s", address, part, out)
		}
	}
	if strings.Contains(string(out), hex.EncodeToString(stranger.Key)[:16]) {
		n.t.Error("the doctor shows a key")
	}
}

func (n *network) writeKeys(suppliers []pocketchain.Account) {
	n.t.Helper()
	if err := n.WriteKeys(suppliers...); err != nil {
		n.t.Fatal(err)
	}
}

// awaitKeys waits until every process says so of its keys.
func (n *network) awaitKeys(ctx context.Context, metric string, want float64) {
	n.t.Helper()
	for _, p := range n.processes() {
		n.await(ctx, fmt.Sprintf("%s of %s is %g", metric, p.Name, want), func() bool { return n.metric(ctx, p.Name, metric) == want })
	}
}

// nextSession waits until relays flow in the next session, and tells where this one
// ends.
func (n *network) nextSession(ctx context.Context) (end int64) {
	n.t.Helper()
	params, err := n.Chain().SharedParams(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	end = sharedtypes.GetSessionEndHeight(params, n.Chain().Height())
	if err := n.Chain().WaitHeight(ctx, end+4); err != nil {
		n.t.Fatal(err)
	}
	return end
}

// settledSessions are the ends of the sessions that a supplier was paid for.
func (n *network) settledSessions(supplier string) (ends []int64) {
	for _, entry := range n.Chain().Entries() {
		if e, ok := entry.Event.(*tokenomicstypes.EventClaimSettled); ok && e.GetSupplierOperatorAddress() == supplier {
			ends = append(ends, e.GetSessionEndBlockHeight())
		}
	}
	return ends
}
