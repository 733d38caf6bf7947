package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// A WebSocket for one session, on the real chain: calls and the events of a
// subscription, the leading miner killed half-way. The chain pays every frame that the
// client got, and the relayer ends the connection when the session is no longer paid.
func TestRelayWebSocket(t *testing.T) {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 40 // room for a change of leaders on a slow machine
	n, ctx := startOptions(t, devnet.Options{Chain: pocketchain.Options{Params: &params}})
	b := newBadInput(t, ctx, n)
	session := freshSession(b)
	socket, err := b.client.Dial(ctx, n.BalancerURL(), session, b.supplier)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	leaves := make(map[[32]byte]bool)
	ask := func(frame string, answers int) {
		t.Helper()
		req, err := socket.Send([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		for range answers {
			answer, err := socket.Receive(ctx, req, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			leaves[answer.Leaf] = true
		}
	}
	for i := range 10 {
		ask(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_chainId"}`, i), 1)
	}
	if _, err := n.KillLeader(ctx); err != nil {
		t.Fatal(err)
	}
	ask(`{"jsonrpc":"2.0","id":100,"method":"demo_subscribe","params":[9]}`, 10)
	if len(leaves) != 20 {
		t.Errorf("%d different relays, want 20", len(leaves))
	}
	var closed *websocket.CloseError
	if _, err := socket.Receive(ctx, nil, time.Minute); !errors.As(err, &closed) || closed.Code != 4000 {
		t.Errorf("the connection ended with %v, want code 4000", err)
	}
	_, err = n.Chain().WaitEntry(ctx, func(e pocketchain.Entry) bool {
		settled, ok := e.Event.(*tokenomicstypes.EventClaimSettled)
		if !ok || settled.SessionEndBlockHeight != session.Header.SessionEndBlockHeight ||
			settled.SupplierOperatorAddress != b.supplier || settled.ServiceId != "eth" {
			return false
		}
		if settled.NumRelays != uint64(len(leaves)) {
			t.Errorf("%d relays are settled, want %d", settled.NumRelays, len(leaves))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

// freshSession is a session that has most of its blocks ahead.
func freshSession(b *badInput) *gateway.Session {
	b.t.Helper()
	s := b.session(b.app, b.net.Chain().Height())
	if b.net.Chain().Height() <= s.Header.SessionStartBlockHeight+1 {
		return s
	}
	if err := b.net.Chain().WaitHeight(b.ctx, s.Header.SessionEndBlockHeight+1); err != nil {
		b.t.Fatal(err)
	}
	return b.session(b.app, b.net.Chain().Height())
}
