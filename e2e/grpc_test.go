package e2e

import (
	bytesorder "encoding/binary"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Relays over gRPC, to a gRPC backend, on the port of all the others: the chain pays
// each.
func TestRelayGRPC(t *testing.T) {
	n, ctx := start(t, "")
	b := newBadInput(t, ctx, n)
	for _, app := range n.Chain().Actors().Applications {
		if app.Service == "cosmos" {
			b.app = app
		}
	}
	session := freshSession(b)
	conn, err := grpc.NewClient(strings.TrimPrefix(n.BalancerURL(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const relays = 12
	for i := range relays {
		message, err := proto.Marshal(wrapperspb.Bytes([]byte{byte(i + 1)}))
		if err != nil {
			t.Fatal(err)
		}
		frame := append(bytesorder.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
		req, err := b.client.Relay(session, b.supplier, gateway.Call{
			Method: http.MethodPost, URL: backends.EchoMethod, Header: http.Header{"Content-Type": {"application/grpc"}}, Body: frame,
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.client.Invoke(ctx, conn, session, req, sharedtypes.RPCType_GRPC)
		if err != nil {
			t.Fatal(err)
		}
		res, err := answer.HTTP()
		if err != nil || string(res.BodyBz) != string(frame) {
			t.Fatalf("got %q, %v, want the same back", res.GetBodyBz(), err)
		}
	}
	_, err = n.Chain().WaitEntry(ctx, func(e pocketchain.Entry) bool {
		settled, ok := e.Event.(*tokenomicstypes.EventClaimSettled)
		if !ok || settled.SessionEndBlockHeight != session.Header.SessionEndBlockHeight ||
			settled.SupplierOperatorAddress != b.supplier || settled.ServiceId != "cosmos" {
			return false
		}
		if settled.NumRelays != relays {
			t.Errorf("%d relays are settled, want %d", settled.NumRelays, relays)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}
