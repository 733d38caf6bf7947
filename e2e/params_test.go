package e2e

import (
	"context"
	"testing"

	sdk "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// The chain changes what it pays by while sessions are under way: the compute
// units of a relay, their price, the length of sessions, and the difficulty.
// Each session is mined, claimed and proved by what held when it began.
func TestClaimsParamsChange(t *testing.T) {
	n, ctx := startOptions(t, devnet.Options{})
	enough := make(chan struct{})
	paid := n.driveAside(ctx, devnet.DriveOptions{Until: enough})
	chain := n.Chain()
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"compute units of a relay", func() error { return weigh(ctx, chain, "eth", 170) }},
		{"price of a compute unit", func() error {
			return chain.Govern(ctx, sharedParam(chain, sharedtypes.ParamComputeUnitsToTokensMultiplier, 84_000_000))
		}},
		// The chain steers each service to this many relays a session: it draws half or less of them.
		{"difficulty", func() error {
			return chain.Govern(ctx, &servicetypes.MsgUpdateParam{
				Authority: chain.Authority(), Name: servicetypes.ParamTargetNumRelays,
				AsType: &servicetypes.MsgUpdateParam_AsUint64{AsUint64: 20},
			})
		}},
		{"length of sessions", func() error {
			return chain.Govern(ctx, sharedParam(chain, sharedtypes.ParamNumBlocksPerSession, 14))
		}},
	} {
		n.awaitMidSession(ctx)
		if err := change.make(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
	}
	n.awaitMidSession(ctx) // of the long ones
	n.awaitMidSession(ctx)
	close(enough)
	r := paid()
	t.Logf("%+v", r)
	if r.RelaysMined >= uint64(r.RelaysAnswered) {
		t.Errorf("all of %d relays were mined, want fewer: the difficulty rose", r.RelaysAnswered)
	}
	checkAllPaid(t, r)
}

// weigh sets the compute units that a relay of service weighs.
func weigh(ctx context.Context, chain *pocketchain.Chain, service string, units uint64) error {
	owner := chain.Actors().ServiceOwner
	_, err := chain.Send(ctx, owner, &servicetypes.MsgAddService{OwnerAddress: owner.Address, Service: sharedtypes.Service{
		Id: service, Name: service, ComputeUnitsPerRelay: units, OwnerAddress: owner.Address,
	}})
	return err
}

func sharedParam(chain *pocketchain.Chain, name string, value uint64) sdk.Msg {
	return &sharedtypes.MsgUpdateParam{
		Authority: chain.Authority(), Name: name, AsType: &sharedtypes.MsgUpdateParam_AsUint64{AsUint64: value},
	}
}

// awaitMidSession waits for the middle of the next session.
func (n *network) awaitMidSession(ctx context.Context) {
	n.t.Helper()
	params, err := n.Chain().SharedParams(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	next := sharedtypes.GetSessionEndHeight(params, n.Chain().Height()) + 1
	if err := n.Chain().WaitHeight(ctx, next+int64(params.NumBlocksPerSession)/2); err != nil {
		n.t.Fatal(err)
	}
}
