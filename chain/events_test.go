package chain

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	gatewaytypes "github.com/pokt-network/poktroll/x/gateway/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"go.uber.org/zap"
)

func typed(t *testing.T, msg proto.Message) abci.Event {
	t.Helper()
	event, err := sdk.TypedEventToEvent(msg)
	if err != nil {
		t.Fatal(err)
	}
	return abci.Event(event)
}

func TestEventsNameTheirSubjects(t *testing.T) {
	app, supplier := &apptypes.Application{Address: "app"}, &sharedtypes.Supplier{OperatorAddress: "sup"}
	for _, test := range []struct {
		msg  proto.Message
		want Event
	}{
		{&apptypes.EventRedelegation{Application: app}, Event{Kind: EventApplication, Name: "EventRedelegation", Application: "app"}},
		{&apptypes.EventApplicationUnbondingBegin{Application: app}, Event{Kind: EventApplication, Name: "EventApplicationUnbondingBegin", Application: "app"}},
		{&apptypes.EventTransferBegin{SourceAddress: "a"}, Event{Kind: EventApplication, Name: "EventTransferBegin"}},
		{&gatewaytypes.EventGatewayUnbondingBegin{}, Event{Kind: EventGateway, Name: "EventGatewayUnbondingBegin"}},
		{&suppliertypes.EventSupplierStaked{OperatorAddress: "sup"}, Event{Kind: EventSupplier, Name: "EventSupplierStaked", Supplier: "sup"}},
		{&suppliertypes.EventSupplierUnbondingBegin{Supplier: supplier}, Event{Kind: EventSupplier, Name: "EventSupplierUnbondingBegin", Supplier: "sup"}},
		{
			&tokenomicstypes.EventSupplierSlashed{SupplierOperatorAddress: "sup", ApplicationAddress: "app", ServiceId: "eth"},
			Event{Kind: EventSlashed, Name: "EventSupplierSlashed", Supplier: "sup", Application: "app", Service: "eth"},
		},
		{&tokenomicstypes.EventClaimExpired{SupplierOperatorAddress: "sup"}, Event{}},
		{&servicetypes.EventRelayMiningDifficultyUpdated{ServiceId: "eth"}, Event{}},
		{&prooftypes.EventClaimCreated{}, Event{}},
	} {
		test.want.Height = 7
		var want []Event
		if test.want.Name != "" {
			want = append(want, test.want)
		}
		if got := eventsOf(7, []abci.Event{typed(t, test.msg)}); !slices.Equal(got, want) {
			t.Errorf("%T: got %+v, want %+v", test.msg, got, want)
		}
		text := encoded(ctypes.ResultBlockResults{FinalizeBlockEvents: []abci.Event{typed(t, test.msg)}})
		if got := uneventful([]byte(text)); got != (len(want) == 0) {
			t.Errorf("%T: without decoding its block is uneventful: %v", test.msg, got)
		}
	}
	if got := eventsOf(7, []abci.Event{{Type: "active_proposal"}}); len(got) != 1 || got[0].Kind != EventParams {
		t.Errorf("a proposal that passed: got %+v", got)
	}
	for _, msg := range []sdk.Msg{
		&sharedtypes.MsgUpdateParam{}, &sharedtypes.MsgUpdateParams{}, &prooftypes.MsgUpdateParam{}, &sessiontypes.MsgUpdateParams{},
	} {
		url := sdk.MsgTypeURL(msg)
		if got := paramEventsOf(7, fmt.Append([]byte{0, 1}, url, "\x12")); len(got) != 1 || "/pocket."+got[0].Name != url {
			t.Errorf("%s: got %+v", url, got)
		}
	}
}

// Blocks are read once each, in order, whichever the feed passed over and however
// late their results are. Too many are taken for a change of everything.
func TestEventsComeOnce(t *testing.T) {
	n := newFakeNode(t)
	n.txs, n.events = make(map[int64][]cmttypes.Tx), make(map[int64][]abci.Event)
	client, feed := newFleet(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- NewEvents(client, feed, zap.NewNop(), func(e Event) { told <- e }).Run(ctx)
	}()
	height := int64(100)
	for _, step := range []int64{1, 3, 1, 5} {
		n.set(func(n *fakeNode) {
			n.lags = true
			for h := height + 1; h <= height+step; h++ {
				n.txs[h] = []cmttypes.Tx{cmttypes.Tx("/pocket.shared.MsgUpdateParam")}
				n.events[h] = []abci.Event{typed(t, &gatewaytypes.EventGatewayUnbondingBegin{})}
			}
		})
		n.commit(step)
		for range step {
			height++
			for _, kind := range []EventKind{EventParams, EventGateway} {
				if e := <-told; e.Height != height || e.Kind != kind {
					t.Fatalf("got %+v, want %s of block %d", e, kind, height)
				}
			}
		}
	}
	n.commit(maxCatchUp + 1)
	if e := <-told; e.Kind != EventMissed || e.Height != height+maxCatchUp+1 {
		t.Errorf("got %+v, want a gap", e)
	}
	eventually(t, "the gap is told", func() bool {
		feed.mu.Lock()
		defer feed.mu.Unlock()
		return feed.gap == maxCatchUp
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever ends in the middle of reading up on blocks ends.
func TestEventsEndWithBlocksLeft(t *testing.T) {
	n := newFakeNode(t)
	client, feed := newFleet(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	events := NewEvents(client, feed, zap.NewNop())
	head, err := feed.Next(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	n.commit(5)
	if _, err := feed.Next(ctx, head.Height+4); err != nil {
		t.Fatal(err)
	}
	cancel()
	go func() { ended <- events.follow(ctx, head.Height) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("goes on though its context ended")
	}
}

// After an event the chain is asked again for what it changed, and for nothing else.
func TestForget(t *testing.T) {
	client, err := Dial("test", []Node{newFakeNode(t).node()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fill := func() {
		client.sharedParams.cache.Set(7, nil)
		for _, app := range []string{"a", "b"} {
			client.applications.cache.Set(app, nil)
			client.rings.cache.Set(ringQuery{app, 7}, nil)
		}
	}
	for _, test := range []struct {
		event Event
		want  string // what is left
	}{
		{Event{Kind: EventParams}, "params 0, applications 2, rings 2"},
		{Event{Kind: EventApplication, Application: "a"}, "params 1, applications 1, rings 1"},
		{Event{Kind: EventApplication}, "params 1, applications 0, rings 0"},
		{Event{Kind: EventMissed}, "params 0, applications 0, rings 0"},
		{Event{Kind: EventSlashed, Application: "a"}, "params 1, applications 2, rings 2"},
	} {
		fill()
		client.forget(test.event)
		got := fmt.Sprintf("params %d, applications %d, rings %d", len(slices.Collect(client.sharedParams.cache.Keys())),
			len(slices.Collect(client.applications.cache.Keys())), len(slices.Collect(client.rings.cache.Keys())))
		if got != test.want {
			t.Errorf("%+v: %s are left, want %s", test.event, got, test.want)
		}
	}
}
