package chain

import (
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

func TestSettlementOf(t *testing.T) {
	tests := map[string]struct {
		msg  proto.Message
		want Settlement
		ok   bool
	}{
		"settled": {
			msg: &tokenomicstypes.EventClaimSettled{
				SupplierOperatorAddress: "sup", ApplicationAddress: "app", ServiceId: "svc", SessionEndBlockHeight: 10,
				NumRelays: 5, ClaimedUpokt: "99upokt", SettledUpokt: "42upokt", ProofRequirementInt: 1,
			},
			want: Settlement{
				Supplier: "sup", Application: "app", Service: "svc", SessionEnd: 10,
				Verdict: VerdictSettled, Relays: 5, Upokt: 42, ProofRequired: true,
			},
			ok: true,
		},
		"expired": {
			msg: &tokenomicstypes.EventClaimExpired{
				SupplierOperatorAddress: "sup", ApplicationAddress: "app", ServiceId: "svc", SessionEndBlockHeight: 10,
				NumRelays: 5, ExpirationReason: tokenomicstypes.ClaimExpirationReason_PROOF_MISSING,
			},
			want: Settlement{
				Supplier: "sup", Application: "app", Service: "svc", SessionEnd: 10,
				Verdict: VerdictExpired, Relays: 5, Reason: "PROOF_MISSING", ProofRequired: true,
			},
			ok: true,
		},
		"discarded": {
			msg: &tokenomicstypes.EventClaimDiscarded{
				SupplierOperatorAddress: "sup", ApplicationAddress: "app", ServiceId: "svc", SessionEndBlockHeight: 10, Error: "bad",
			},
			want: Settlement{
				Supplier: "sup", Application: "app", Service: "svc", SessionEnd: 10, Verdict: VerdictDiscarded, Reason: "bad",
			},
			ok: true,
		},
		"another event": {msg: &tokenomicstypes.EventSupplierSlashed{ServiceId: "svc"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			event, err := sdk.TypedEventToEvent(test.msg)
			if err != nil {
				t.Fatal(err)
			}
			wire := abci.Event(event)
			wire.Attributes = append(wire.Attributes, abci.EventAttribute{Key: "mode", Value: "EndBlock"})
			got, ok, err := settlementOf(wire)
			if err != nil || ok != test.ok || got != test.want {
				t.Errorf("got %+v, %v, %v, want %+v, %v", got, ok, err, test.want, test.ok)
			}
		})
	}
}
