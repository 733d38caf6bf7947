package pocketchain_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/chaintest"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// The real chain does what the fake one of chain/chaintest says.
func TestRealChainConforms(t *testing.T) {
	params := pocketchain.DefaultParams()
	params.ClaimWindowClose = 50 // the suite sends ten transactions in it, one after the other
	real, ctx := start(t, pocketchain.Options{ChainID: "conforms", BlockTime: 150 * time.Millisecond, Params: &params})
	actors := real.Actors()
	client, err := chain.Dial(real.ID(), []chain.Node{{RPC: real.RPCURL(), GRPC: real.GRPCURL()}}, chain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key := func(a pocketchain.Account) *chain.SupplierKey {
		key, err := chain.NewSupplierKey(a.Key.Key)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	app, supplier := actors.Applications[0], actors.Suppliers[0]
	relays, err := gateway.New(real.Conn(), actors.Gateways[0].Key.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer relays.Close()
	session, err := relays.Session(ctx, app.Address, app.Service, 0)
	if err != nil {
		t.Fatal(err)
	}
	tree := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for i := range 5 {
		leaf, value := earn(t, ctx, relays, session, supplier.Key, supplier.Address, i)
		if err := tree.Update(leaf[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}
	claim := prooftypes.NewMsgCreateClaim(supplier.Address, session.Header, tree.Root())
	chaintest.Conform(t, chaintest.Ground{
		Client: client, Session: chain.NewSessionRef(supplier.Address, session.Header), Root: tree.Root(),
		Proves: key(supplier), Idles: key(actors.Suppliers[1]), Head: real.Height, Wait: real.WaitHeight,
		Proof: func(t *testing.T, seed chain.Block) []byte {
			return prove(t, ctx, real, tree, seed.Height+1, claim).Proof
		},
	})
}
