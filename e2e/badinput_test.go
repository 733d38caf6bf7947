package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// badInput is what a case works with.
type badInput struct {
	t        *testing.T
	ctx      context.Context
	net      *network
	client   *gateway.Client
	app      pocketchain.Application // of service eth
	other    pocketchain.Application // of another service
	supplier string
}

func newBadInput(t *testing.T, ctx context.Context, n *network) *badInput {
	t.Helper()
	actors := n.Chain().Actors()
	client, err := gateway.New(n.Chain().Conn(), actors.Gateways[0].Key.Key)
	if err != nil {
		t.Fatal(err)
	}
	b := &badInput{t: t, ctx: ctx, net: n, client: client, supplier: actors.Suppliers[0].Address}
	for _, app := range actors.Applications {
		if app.Service == "eth" {
			b.app = app
		} else {
			b.other = app
		}
	}
	return b
}

func (b *badInput) session(app pocketchain.Application, height int64) *gateway.Session {
	b.t.Helper()
	s, err := b.client.Session(b.ctx, app.Address, app.Service, height)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// request is a valid relay request of the current session, after change; it is
// signed before the change unless the change signs it again.
func (b *badInput) request(change func(*servicetypes.RelayRequest)) []byte {
	b.t.Helper()
	return b.requestIn(b.session(b.app, b.net.Chain().Height()), change)
}

func (b *badInput) requestIn(s *gateway.Session, change func(*servicetypes.RelayRequest)) []byte {
	b.t.Helper()
	call := gateway.Call{Method: http.MethodPost, URL: "/", Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`)}
	req, err := b.client.Relay(s, b.supplier, call)
	if err != nil {
		b.t.Fatal(err)
	}
	header := *req.Meta.SessionHeader // shared with the session
	req.Meta.SessionHeader = &header
	if change != nil {
		change(req)
	}
	bz, err := req.Marshal()
	if err != nil {
		b.t.Fatal(err)
	}
	return bz
}

// refusal posts a body and returns the code that it was refused with.
func (b *badInput) refusal(body []byte) string {
	b.t.Helper()
	status, raw, err := b.client.PostRaw(b.ctx, b.net.BalancerURL(), body, sharedtypes.RPCType_JSON_RPC)
	if err != nil {
		b.t.Fatal(err)
	}
	var res servicetypes.RelayResponse
	if err := res.Unmarshal(raw); err != nil {
		b.t.Fatalf("status %d, no relay response: %v", status, err)
	}
	if res.RelayMinerError == nil {
		return "served"
	}
	if status != http.StatusOK || len(res.Meta.SupplierOperatorSignature) != 0 || len(res.Payload) == 0 {
		b.t.Errorf("status %d, signature of %d bytes, payload of %d: want 200, none, some text",
			status, len(res.Meta.SupplierOperatorSignature), len(res.Payload))
	}
	return fmt.Sprintf("%s %d", res.RelayMinerError.Codespace, res.RelayMinerError.Code)
}

// Junk gets the refusal that gateways know, and none of it reaches a tree: the
// chain is claimed exactly the relays that were answered.
func TestPaidBadInputReachesNoTree(t *testing.T) {
	n, ctx := start(t, "")
	b := newBadInput(t, ctx, n)
	first := b.session(b.app, 1)
	stranger := n.Chain().Actors().Gateways[0].Address // an account, but no supplier of ours
	cases := map[string]struct {
		body func() []byte
		want string
	}{
		"empty body":         {func() []byte { return nil }, "relayer_proxy 14"},
		"random bytes":       {func() []byte { return []byte("\xff\xfe\x01 what is this") }, "relayer_proxy 14"},
		"truncated protobuf": {func() []byte { r := b.request(nil); return r[:len(r)/2] }, "relayer_proxy 14"},
		"missing header": {func() []byte {
			return b.request(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil })
		}, "relay_authenticator 4"},
		"unknown service": {func() []byte {
			return b.request(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "nope" })
		}, "relayer_proxy 3"},
		"wrong supplier": {func() []byte {
			return b.request(func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = stranger })
		}, "relay_authenticator 6"},
		"forged ring signature": {func() []byte {
			return b.request(func(r *servicetypes.RelayRequest) { r.Payload = bytes.Clone(append(r.Payload, 0)) })
		}, "relay_authenticator 4"},
		"session of another application": {func() []byte {
			mine, other := b.session(b.app, n.Chain().Height()), b.session(b.other, n.Chain().Height())
			return b.requestIn(mine, func(r *servicetypes.RelayRequest) {
				r.Meta.SessionHeader.SessionId = other.Header.SessionId
				if err := b.client.Sign(mine, r); err != nil {
					t.Fatal(err)
				}
			})
		}, "relay_authenticator 1"},
		"expired session": {func() []byte {
			if err := n.Chain().WaitHeight(ctx, first.Header.SessionEndBlockHeight+5); err != nil {
				t.Fatal(err)
			}
			return b.requestIn(first, nil)
		}, "relayer_proxy 1"},
		"20 MB body": {func() []byte { return make([]byte, 20<<20) }, "relayer_proxy 11"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			b := *b
			b.t = t
			if got := b.refusal(test.body()); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	checkPaid(t, n.drive(ctx, devnet.DriveOptions{}))
	checkOperator(t, ctx, n)
	if got := b.refusal(b.request(nil)); got != "served" {
		t.Errorf("a good relay afterwards: got %s", got)
	}
}
