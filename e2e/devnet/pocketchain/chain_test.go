package pocketchain_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/pokt-network/poktroll/pkg/crypto/protocol"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

func start(t *testing.T, opts pocketchain.Options) (*pocketchain.Chain, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	chain, err := pocketchain.Start(ctx, opts)
	if err != nil {
		t.Fatalf("start chain: %v", err)
	}
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Errorf("close chain: %v", err)
		}
	})
	return chain, ctx
}

func TestChainServesRPCAndGRPC(t *testing.T) {
	chain, ctx := start(t, pocketchain.Options{ChainID: "served", BlockTime: 100 * time.Millisecond})
	if err := chain.WaitHeight(ctx, 3); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(chain.RPCURL() + "/status")
	if err != nil {
		t.Fatalf("status over RPC: %v", err)
	}
	defer res.Body.Close()
	var status struct {
		Result struct {
			NodeInfo struct{ Network string } `json:"node_info"`
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&status); err != nil {
		t.Fatalf("decode status: %v", err)
	}
	if got := status.Result.NodeInfo.Network; got != "served" {
		t.Errorf("network = %q, want served", got)
	}
	params, err := chain.SharedParams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := params.NumBlocksPerSession, uint64(10); got != want {
		t.Errorf("blocks per session = %d, want %d", got, want)
	}
	app := chain.Actors().Applications[0]
	session, err := chain.Session(ctx, app.Address, app.Service, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(session.Suppliers), len(chain.Actors().Suppliers); got != want {
		t.Errorf("suppliers in session = %d, want %d", got, want)
	}
}

func TestDifficultyIsEffectiveFromTheFirstSession(t *testing.T) {
	service := pocketchain.DefaultServices()[0]
	service.Difficulty = 4
	chain, ctx := start(t, pocketchain.Options{ChainID: "hard", Services: []pocketchain.Service{service}})
	res, err := servicetypes.NewQueryClient(chain.Conn()).RelayMiningDifficultyAtHeight(ctx,
		&servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{ServiceId: service.ID, BlockHeight: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.RelayMiningDifficulty.TargetHash[0], byte(0x3f); got != want {
		t.Errorf("first byte of target = %#x, want %#x", got, want)
	}
}

func TestAuthorityChangesParams(t *testing.T) {
	chain, ctx := start(t, pocketchain.Options{ChainID: "governed", BlockTime: 100 * time.Millisecond})
	params := prooftypes.DefaultParams()
	params.ProofRequestProbability = 0.5
	err := chain.Govern(ctx, &prooftypes.MsgUpdateParams{Authority: chain.Authority(), Params: params})
	if err != nil {
		t.Fatal(err)
	}
	res, err := prooftypes.NewQueryClient(chain.Conn()).Params(ctx, &prooftypes.QueryParamsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Params.ProofRequestProbability; got != 0.5 {
		t.Errorf("proof request probability = %v, want 0.5", got)
	}
}

// TestChainReferees earns a session with hand-built relays: the chain verifies
// ring and supplier signatures in the proof, and pays.
func TestChainReferees(t *testing.T) {
	const relays = 20
	params := pocketchain.DefaultParams()
	params.BlocksPerSession, params.ClaimWindowClose, params.ProofWindowClose = 5, 4, 4
	chain, ctx := start(t, pocketchain.Options{ChainID: "referee", BlockTime: 150 * time.Millisecond, Params: &params})
	actors := chain.Actors()
	app, supplier := actors.Applications[0], actors.Suppliers[0]
	client, err := gateway.New(chain.Conn(), actors.Gateways[0].Key.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	session, err := client.Session(ctx, app.Address, app.Service, 0)
	if err != nil {
		t.Fatal(err)
	}
	tree := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for i := range relays {
		key, value := earn(t, ctx, client, session, supplier.Key, supplier.Address, i)
		if err := tree.Update(key[:], value, 100); err != nil {
			t.Fatal(err)
		}
	}

	shared, err := chain.SharedParams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end := session.Header.SessionEndBlockHeight
	if err := chain.WaitHeight(ctx, sharedtypes.GetClaimWindowOpenHeight(shared, end)); err != nil {
		t.Fatal(err)
	}
	claim := prooftypes.NewMsgCreateClaim(supplier.Address, session.Header, tree.Root())
	if _, err := chain.Send(ctx, supplier, claim); err != nil {
		t.Fatalf("claim: %v", err)
	}
	claims, err := chain.Claims(ctx)
	if err != nil || len(claims) != 1 {
		t.Fatalf("claims on chain = %d (%v), want 1", len(claims), err)
	}

	proofOpen := sharedtypes.GetProofWindowOpenHeight(shared, end)
	if err := chain.WaitHeight(ctx, proofOpen); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.Send(ctx, supplier, prove(t, ctx, chain, tree, proofOpen, claim)); err != nil {
		t.Fatalf("proof: %v", err)
	}
	before, err := chain.Balance(ctx, supplier.Address)
	if err != nil {
		t.Fatal(err)
	}
	paid := func(entry pocketchain.Entry) bool {
		_, ok := entry.Event.(*tokenomicstypes.EventClaimSettled)
		return ok
	}
	settlement, err := chain.WaitEntry(ctx, paid)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := settlement.Height, sharedtypes.GetProofWindowCloseHeight(shared, end); got != want {
		t.Errorf("settled in block %d, want %d", got, want)
	}
	after, err := chain.Balance(ctx, supplier.Address)
	if err != nil {
		t.Fatal(err)
	}
	if after <= before {
		t.Errorf("supplier balance %d -> %d, want it to grow", before, after)
	}
	settled := 0
	for _, entry := range chain.Entries() {
		if event, ok := entry.Event.(*tokenomicstypes.EventClaimSettled); ok {
			settled++
			if event.NumRelays != relays {
				t.Errorf("settled relays = %d, want %d", event.NumRelays, relays)
			}
			if got, want := event.ClaimedUpokt, fmt.Sprintf("%dupokt", relays*100*42); got != want {
				t.Errorf("claimed = %s, want %s", got, want)
			}
		}
	}
	if settled != 1 {
		t.Errorf("settled claims = %d, want 1", settled)
	}
}

// earn serves one relay by hand and has the client check it.
func earn(
	t *testing.T, ctx context.Context, client *gateway.Client, session *gateway.Session,
	key *secp256k1.PrivKey, supplier string, i int,
) (leafKey [sha256.Size]byte, leaf []byte) {
	t.Helper()
	req, err := client.Relay(session, supplier, gateway.Call{Method: "POST", URL: "/", Body: fmt.Appendf(nil, "call %d", i)})
	if err != nil {
		t.Fatal(err)
	}
	res := &servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: session.Header},
		Payload: fmt.Appendf(nil, "answer %d", i),
	}
	if err := res.UpdatePayloadHash(); err != nil {
		t.Fatal(err)
	}
	hash, err := res.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	if res.Meta.SupplierOperatorSignature, err = key.Sign(hash[:]); err != nil {
		t.Fatal(err)
	}
	raw, err := res.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Check(ctx, session, req, raw)
	if err != nil {
		t.Fatalf("check relay %d: %v", i, err)
	}
	leaf, err = gateway.Leaf(req, res)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Leaf, leaf
}

func prove(
	t *testing.T, ctx context.Context, chain *pocketchain.Chain, tree *smt.SMST, proofOpen int64, claim *prooftypes.MsgCreateClaim,
) *prooftypes.MsgSubmitProof {
	t.Helper()
	seed := proofOpen - 1
	block, err := chain.RPC().Block(ctx, &seed)
	if err != nil {
		t.Fatal(err)
	}
	path := protocol.GetPathForProof(block.BlockID.Hash, claim.SessionHeader.SessionId)
	closest, err := tree.ProveClosest(path)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := smt.CompactClosestProof(closest, tree.Spec())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := compact.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return prooftypes.NewMsgSubmitProof(claim.SupplierOperatorAddress, claim.SessionHeader, raw)
}

// A process that runs many chains in turn is not slowed down by those that are over.
func TestClosedChainLeavesNothingRunning(t *testing.T) {
	once := func() int {
		chain, err := pocketchain.Start(t.Context(), pocketchain.Options{ChainID: "closed", BlockTime: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.Close(); err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine()
	}
	first := once() // and what a process starts once
	for range 3 {
		if n := once(); n > first+20 {
			t.Fatalf("%d goroutines after a chain was closed, %d after the one before", n, first)
		}
	}
}
