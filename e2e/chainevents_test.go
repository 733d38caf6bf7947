package e2e

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// watched is a client of a real chain that reads its events.
type watched struct {
	t      *testing.T
	ctx    context.Context
	real   *pocketchain.Chain
	client *chain.Client
	told   chan chain.Event
}

func watchChain(t *testing.T, opts pocketchain.Options) *watched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	real, err := pocketchain.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, ctx: ctx, real: real, told: make(chan chain.Event, 1000)}
	if w.client, err = chain.Dial(real.ID(), []chain.Node{{RPC: real.RPCURL(), GRPC: real.GRPCURL()}}, chain.Options{}); err != nil {
		t.Fatal(err)
	}
	feed := chain.NewFeed(w.client, zap.NewNop())
	events := chain.NewEvents(w.client, feed, zap.NewNop(), func(e chain.Event) { w.told <- e })
	ended := make(chan error, 2)
	go func() { ended <- feed.Run(ctx) }()
	go func() { ended <- events.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended, w.client.Close(), real.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := feed.Next(ctx, 1); err != nil { // events are read from here on
		t.Fatal(err)
	}
	return w
}

// await is the next event of a name.
func (w *watched) await(name string) chain.Event {
	w.t.Helper()
	for {
		select {
		case e := <-w.told:
			if e.Name == name {
				return e
			}
		case <-w.ctx.Done():
			w.t.Fatalf("no %s was told", name)
		}
	}
}

// What the chain changes is told with its block, and cached answers follow it: by
// themselves they would serve for a minute, rings for 15 s.
func TestChainEvents(t *testing.T) {
	t.Parallel()
	w := watchChain(t, pocketchain.Options{ChainID: "eventful", BlockTime: 200 * time.Millisecond})
	actors := w.real.Actors()
	app, supplier := actors.Applications[0], actors.Suppliers[0]
	const later = 10_000 // a height that no session has reached
	ask := func() (price uint64, ring [][]byte) {
		t.Helper()
		params, err := w.client.SharedParams(w.ctx, later)
		if err != nil {
			t.Fatal(err)
		}
		if ring, err = w.client.RingKeys(w.ctx, app.Address, later); err != nil {
			t.Fatal(err)
		}
		return params.ComputeUnitsToTokensMultiplier, ring
	}
	oldPrice, oldRing := ask()
	start := time.Now()
	if err := w.real.Govern(w.ctx, sharedParam(w.real, sharedtypes.ParamComputeUnitsToTokensMultiplier, 2*oldPrice)); err != nil {
		t.Fatal(err)
	}
	w.await("shared.MsgUpdateParam")
	if price, ring := ask(); price != 2*oldPrice || !slices.EqualFunc(ring, oldRing, slices.Equal) {
		t.Errorf("the price is %d, want %d; the ring changed from %x to %x", price, 2*oldPrice, oldRing, ring)
	}
	for _, step := range []struct {
		name string
		send func() (int64, error)
		want chain.Event
	}{
		{"a delegation ends", func() (int64, error) {
			return w.real.Send(w.ctx, app.Account, apptypes.NewMsgUndelegateFromGateway(app.Address, app.Gateway))
		}, chain.Event{Kind: chain.EventApplication, Name: "EventRedelegation", Application: app.Address}},
		{"a supplier unstakes", func() (int64, error) {
			return w.real.Send(w.ctx, supplier, suppliertypes.NewMsgUnstakeSupplier(supplier.Address, supplier.Address))
		}, chain.Event{Kind: chain.EventSupplier, Name: "EventSupplierUnbondingBegin", Supplier: supplier.Address}},
	} {
		height, err := step.send()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		step.want.Height = height
		if got := w.await(step.want.Name); got != step.want {
			t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
		}
		t.Logf("%s in block %d: told when the chain was at %d", step.name, height, w.real.Height())
	}
	if _, ring := ask(); slices.EqualFunc(ring, oldRing, slices.Equal) {
		t.Errorf("the ring is still %x", ring)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Logf("all took %s: answers may have been asked for again by themselves", took)
	}
}
