package devnet

import (
	"encoding/json"
	"reflect"
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

func created(supplier string, end int64, relays uint64) pocketchain.Entry {
	return pocketchain.Entry{Event: &prooftypes.EventClaimCreated{
		SupplierOperatorAddress: supplier, SessionEndBlockHeight: end, NumRelays: relays,
	}}
}

func settled(supplier string, end int64, relays uint64) pocketchain.Entry {
	return pocketchain.Entry{Event: &tokenomicstypes.EventClaimSettled{
		SupplierOperatorAddress: supplier, SupplierOwnerAddress: supplier, SessionEndBlockHeight: end, NumRelays: relays,
		ProofRequirementInt: int32(prooftypes.ProofRequirementReason_THRESHOLD),
		ClaimProofStatusInt: int32(prooftypes.ClaimProofStatus_VALIDATED),
		SettledUpokt:        "1000upokt", RewardDistribution: map[string]string{supplier: "700upokt"},
	}}
}

func tallied(counts map[earnedKey]int) *tally {
	t := newTally()
	for key, n := range counts {
		t.leaves[key] = make(map[[32]byte]struct{})
		for i := range n {
			t.leaves[key][[32]byte{byte(i)}] = struct{}{}
		}
		t.answered += n
	}
	return t
}

func TestReport(t *testing.T) {
	key := func(supplier string, end int64) earnedKey { return earnedKey{Supplier: supplier, SessionEnd: end} }
	for _, tc := range []struct {
		name    string
		mined   map[earnedKey]int
		entries []pocketchain.Entry
		want    Report
		ok      bool
	}{
		{
			name:    "all paid",
			mined:   map[earnedKey]int{key("a", 10): 3, key("b", 10): 2},
			entries: []pocketchain.Entry{created("a", 10, 3), created("b", 10, 2), settled("a", 10, 3), settled("b", 10, 2)},
			want: Report{
				RelaysAnswered: 5, RelaysMined: 5, LeavesClaimed: 5, ClaimsSubmitted: 2, ClaimsSettled: 2,
				ProofsRequired: 2, ProofsValidated: 2, UpoktSettled: 2000, UpoktEarned: 1400, Sessions: 1,
			},
			ok: true,
		},
		{
			name:    "a surplus in one session does not hide a loss in another",
			mined:   map[earnedKey]int{key("a", 10): 3, key("a", 20): 3},
			entries: []pocketchain.Entry{created("a", 10, 2), settled("a", 10, 2), created("a", 20, 4), settled("a", 20, 4)},
			want: Report{
				RelaysAnswered: 6, RelaysMined: 6, LeavesClaimed: 6, ClaimsSubmitted: 2, ClaimsSettled: 2,
				ProofsRequired: 2, ProofsValidated: 2, UpoktSettled: 2000, UpoktEarned: 1400, Sessions: 2,
				RelaysLost: 1, RelaysClaimedUnanswered: 1,
			},
		},
		{
			name:  "claimed, expired and slashed",
			mined: map[earnedKey]int{key("a", 10): 3},
			entries: []pocketchain.Entry{
				created("a", 10, 3),
				{Event: &tokenomicstypes.EventClaimExpired{SupplierOperatorAddress: "a", SessionEndBlockHeight: 10, NumRelays: 3}},
				{Event: &tokenomicstypes.EventSupplierSlashed{SupplierOperatorAddress: "a", SessionEndBlockHeight: 10}},
			},
			want: Report{
				RelaysAnswered: 3, RelaysMined: 3, LeavesClaimed: 3, ClaimsSubmitted: 1, ClaimsExpired: 1,
				ProofsRequired: 1, SuppliersSlashed: 1, RelaysLost: 3, Sessions: 1,
			},
		},
		{
			name:  "never claimed",
			mined: map[earnedKey]int{key("a", 10): 3},
			want:  Report{RelaysAnswered: 3, RelaysMined: 3, RelaysLost: 3, Sessions: 1},
		},
		{
			name:    "sessions from before the run do not count",
			mined:   map[earnedKey]int{key("a", 10): 1},
			entries: []pocketchain.Entry{settled("a", 5, 9), created("a", 10, 1), settled("a", 10, 1)},
			want: Report{
				RelaysAnswered: 1, RelaysMined: 1, LeavesClaimed: 1, ClaimsSubmitted: 1, ClaimsSettled: 1,
				ProofsRequired: 1, ProofsValidated: 1, UpoktSettled: 1000, UpoktEarned: 700, Sessions: 1,
			},
			ok: true,
		},
		{name: "nothing answered", want: Report{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outcomes, err := readOutcomes(tc.entries, 10)
			if err != nil {
				t.Fatal(err)
			}
			got := newReport(tallied(tc.mined), outcomes)
			if got.OK() != tc.ok {
				t.Errorf("OK = %v, want %v", got.OK(), tc.ok)
			}
			got.Failures, got.Retried, got.FailoverMS = nil, nil, nil
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("report\n got %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestReportJSONIsComplete(t *testing.T) {
	raw, err := json.Marshal(newReport(newTally(), nil))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"relays_answered":0,"relays_mined":0,"leaves_claimed":0,"claims_submitted":0,"claims_settled":0,` +
		`"claims_expired":0,"proofs_required":0,"proofs_validated":0,"suppliers_slashed":0,"upokt_settled":0,` +
		`"relays_lost":0,"relays_claimed_unanswered":0,"leader_kills":0,"failover_ms":[]}`
	if string(raw) != want {
		t.Errorf("report = %s\nwant     %s", raw, want)
	}
}

func TestParseSample(t *testing.T) {
	for _, tc := range []struct {
		line, name string
		value      float64
		ok         bool
	}{
		{`ha_raft_is_leader 1`, "ha_raft_is_leader", 1, true},
		{`ha_miner_flushes_total{partition="a b"} 12`, "ha_miner_flushes_total", 12, true},
		{`# TYPE ha_raft_is_leader gauge`, "", 0, false},
		{``, "", 0, false},
		{`garbage`, "", 0, false},
	} {
		name, value, ok := parseSample(tc.line)
		if ok != tc.ok || ok && (name != tc.name || value != tc.value) {
			t.Errorf("parseSample(%q) = %q %v %v, want %q %v %v", tc.line, name, value, ok, tc.name, tc.value, tc.ok)
		}
	}
}
