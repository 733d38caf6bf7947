package e2e

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// killEvery is how long a leader lives when its kind is hunted.
const killEvery = 2 * time.Second

// Many suppliers and services, a proof required of some claims only, and one
// service of which the chain wants every fourth relay: the chain pays all of it
// exactly, also while the leader is killed again and again, until the last
// session is settled. make test-claims runs it at full size.
func TestClaimsMixed(t *testing.T) {
	for name, hunted := range map[string]bool{"undisturbed": false, "leader killed every 2 s": true} {
		t.Run(name, func(t *testing.T) {
			n, ctx := startOptions(t, devnet.Options{Chain: mixedChain(sizeOf(t, "RAFTMINER_CLAIMS_SUPPLIERS", 4))})
			sessions := sizeOf(t, "RAFTMINER_CLAIMS_SESSIONS", 2)
			over, stop := context.WithCancel(ctx)
			hunt := make(chan int, 1)
			if hunted {
				go func() { hunt <- n.hunt(over) }()
			}
			// Some more sessions than needed: a share that does not fit is carried on.
			report := n.drive(ctx, devnet.DriveOptions{Relays: 300 * sessions, Sessions: sessions})
			stop()
			if hunted {
				kills := <-hunt
				t.Logf("%d leaders killed", kills)
				if kills < sessions {
					t.Errorf("%d leaders killed, want at least one a session", kills)
				}
			}
			checkMixed(t, report, sessions)
			n.checkBooks(ctx, miners[0])
		})
	}
}

func sizeOf(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return size
}

// mixedChain has five services, long sessions, and proofs by chance and by value.
func mixedChain(suppliers int) pocketchain.Options {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 20
	params.SuppliersInSession = uint64(suppliers)
	params.ProofRequestProbability = 0.25
	params.ProofRequirementThreshold = 90_000 // a session of 11 relays of the streamed service
	return pocketchain.Options{
		Params: &params, Suppliers: suppliers,
		Services: append(pocketchain.DefaultServices(),
			pocketchain.Service{ID: "arb", ComputeUnitsPerRelay: 300, RPCTypes: []sharedtypes.RPCType{sharedtypes.RPCType_JSON_RPC}},
			pocketchain.Service{ID: "base", ComputeUnitsPerRelay: 40, Difficulty: 4, RPCTypes: []sharedtypes.RPCType{sharedtypes.RPCType_JSON_RPC}},
		),
	}
}

// hunt kills the leader every 2 s, and starts it again, until ctx ends.
func (n *network) hunt(ctx context.Context) (kills int) {
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return kills
		case <-tick.C:
		}
		leader, err := n.WaitLeader(ctx)
		if err == nil {
			err = n.Kill(leader, os.Kill)
		}
		if err == nil {
			kills++
			err = n.Restart(context.WithoutCancel(ctx), leader)
		}
		if err != nil && ctx.Err() == nil {
			n.t.Errorf("kill number %d: %v", kills, err)
			return kills
		}
	}
}

// checkMixed asserts that the chain paid exactly what was mined, and wanted some
// proofs, but not all.
func checkMixed(t *testing.T, r devnet.Report, sessions int) {
	t.Helper()
	t.Logf("%+v", r)
	if r.RelaysFailed != 0 || r.RelaysAnswered != 300*sessions {
		t.Errorf("%d relays answered and %d not, want %d and none: %v", r.RelaysAnswered, r.RelaysFailed, 300*sessions, r.Failures)
	}
	if r.RelaysMined >= uint64(r.RelaysAnswered) {
		t.Errorf("all %d relays were mined, want fewer: a service is more difficult than base", r.RelaysMined)
	}
	checkAllPaid(t, r)
	if r.ProofsRequired == 0 || r.ProofsRequired == r.ClaimsSubmitted {
		t.Errorf("%d proofs required, of %d claims, want some", r.ProofsRequired, r.ClaimsSubmitted)
	}
	if r.Sessions < sessions {
		t.Errorf("%d sessions, want at least %d", r.Sessions, sessions)
	}
}

// checkAllPaid asserts that the chain paid exactly what was mined, and wanted no
// proof that it did not get.
func checkAllPaid(t *testing.T, r devnet.Report) {
	t.Helper()
	if r.LeavesClaimed != r.RelaysMined || r.RelaysLost != 0 || r.RelaysClaimedUnanswered != 0 {
		t.Errorf("%d leaves of %d relays claimed, %d lost, %d claimed but unanswered, want all, none, none",
			r.LeavesClaimed, r.RelaysMined, r.RelaysLost, r.RelaysClaimedUnanswered)
	}
	if r.ClaimsSettled != r.ClaimsSubmitted || r.ClaimsExpired != 0 || r.ClaimsUpdated != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d replaced, %d suppliers slashed, want all and none",
			r.ClaimsSettled, r.ClaimsSubmitted, r.ClaimsExpired, r.ClaimsUpdated, r.SuppliersSlashed)
	}
	if r.ProofsValidated != r.ProofsRequired {
		t.Errorf("%d proofs validated, %d required, want as many", r.ProofsValidated, r.ProofsRequired)
	}
}
