package relayproxy

import (
	"os"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/chain"
)

// TestMain sets the address prefix that poktroll's own ValidateBasic reads, for
// the tests that compare with it.
func TestMain(m *testing.M) {
	sdk.GetConfig().SetBech32PrefixForAccount(chain.AddressPrefix, chain.AddressPrefix+"pub")
	os.Exit(m.Run())
}

// FuzzDecode checks that decoding never panics and never accepts what
// poktroll's own validation refuses, nor the other way round.
func FuzzDecode(f *testing.F) {
	w := newWorld(f)
	p := w.server().pipeline
	valid := w.signed("{}")
	f.Add(valid, []byte(nil))
	f.Add(valid[:len(valid)/2], []byte("3"))
	f.Add([]byte{}, []byte("9"))
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00}, []byte("4"))
	f.Fuzz(func(t *testing.T, body, rpcType []byte) {
		r, refusal := p.decode(incoming{body: body, rpcType: rpcType, arrived: time.Now()})
		if refusal == nil && (r == nil || r.route == nil || r.key == nil) {
			t.Fatal("accepted a request without a route or a key")
		}
		var req servicetypes.RelayRequest
		if req.Unmarshal(body) != nil || len(body) == 0 {
			return
		}
		ours, theirs := validateBasic(&req), req.ValidateBasic()
		if (ours == nil) != (theirs == nil) {
			t.Errorf("we say %v, poktroll says %v", ours, theirs)
		}
	})
}

func TestRPCTypeOfHeader(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want RPCType
		ok   bool
	}{
		{"", RPCUnknown, true}, {"1", RPCGRPC, true}, {"2", RPCWebSocket, true}, {"3", RPCJSON, true}, {"4", RPCREST, true}, {"5", RPCComet, true},
		{"0", RPCUnknown, false}, {"6", RPCUnknown, false}, {"33", RPCUnknown, false}, {"-1", RPCUnknown, false}, {"json", RPCUnknown, false},
	} {
		if got, ok := rpcTypeOfHeader([]byte(tc.in)); got != tc.want || ok != tc.ok {
			t.Errorf("%q: got %v %v, want %v %v", tc.in, got, ok, tc.want, tc.ok)
		}
	}
	for typ := RPCGRPC; typ <= RPCComet; typ++ {
		if got, ok := ParseRPCType(RPCTypeName(typ)); got != typ || !ok {
			t.Errorf("%v: name %q parses to %v", typ, RPCTypeName(typ), got)
		}
	}
}
