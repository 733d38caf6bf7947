package main

import (
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func TestForeignClaims(t *testing.T) {
	for name, tc := range map[string]struct {
		known *adminpb.SessionRecord
		want  bool
	}{
		"never heard of":         {nil, true},
		"skipped, yet claimed":   {&adminpb.SessionRecord{Stage: "skipped", EndedHeight: 14}, true},
		"lost, yet claimed":      {&adminpb.SessionRecord{Stage: "lost", EndedHeight: 14}, true},
		"sealed, landed unseen":  {&adminpb.SessionRecord{Stage: "sealed", SealHeight: 12}, false},
		"claimed":                {&adminpb.SessionRecord{Stage: "claimed", SealHeight: 12, ClaimHeight: 13}, false},
		"lost after it was ours": {&adminpb.SessionRecord{Stage: "lost", ClaimHeight: 13, EndedHeight: 14}, false},
	} {
		if got := isForeign(tc.known); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	claim := prooftypes.Claim{SupplierOperatorAddress: "pokt1x", SessionHeader: &sessiontypes.SessionHeader{ServiceId: "eth"}}
	for _, tc := range []struct {
		supplier, service string
		want              bool
	}{{"", "", true}, {"pokt1x", "eth", true}, {"pokt1y", "", false}, {"", "sol", false}} {
		a := &accounts{request: adminpb.AccountsRequest{Supplier: tc.supplier, Service: tc.service}}
		if got := a.asked(claim); got != tc.want {
			t.Errorf("filtered by %q and %q: got %v, want %v", tc.supplier, tc.service, got, tc.want)
		}
	}
}
