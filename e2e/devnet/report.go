package devnet

// Report is what a run earned, read from the chain. The JSON fields are a
// contract: scripts and benchmarks read them.
type Report struct {
	RelaysAnswered          int     `json:"relays_answered"`           // answered and checked by the client
	RelaysMined             uint64  `json:"relays_mined"`              // of these, met the difficulty
	LeavesClaimed           uint64  `json:"leaves_claimed"`            // leaves of all claims
	ClaimsSubmitted         int     `json:"claims_submitted"`          // claims on chain
	ClaimsSettled           int     `json:"claims_settled"`            // claims paid
	ClaimsExpired           int     `json:"claims_expired"`            // claims not paid
	ProofsRequired          int     `json:"proofs_required"`           // claims that the chain wanted a proof of
	ProofsValidated         int     `json:"proofs_validated"`          // proofs that it found valid
	SuppliersSlashed        int     `json:"suppliers_slashed"`         // suppliers that lost stake
	UpoktSettled            int64   `json:"upokt_settled"`             // charged to the applications
	RelaysLost              uint64  `json:"relays_lost"`               // mined, but in no settled claim
	RelaysClaimedUnanswered uint64  `json:"relays_claimed_unanswered"` // claimed, but the client has no answer
	LeaderKills             int     `json:"leader_kills"`
	FailoverMS              []int64 `json:"failover_ms"` // SIGKILL to the next leader's first flush

	RelaysFailed  int            `json:"-"` // relays that no try got an answer for
	Failures      map[string]int `json:"-"` // their last errors
	Retried       map[string]int `json:"-"` // errors of tries after which there was another
	Sessions      int            `json:"-"` // sessions with an answered relay
	ClaimsUpdated int            `json:"-"` // claims that a later one replaced
	UpoktEarned   int64          `json:"-"` // what the suppliers were paid
	ElectionMS    []int64        `json:"-"` // SIGKILL to the next leader
}

// OK says whether every relay was paid, and nothing else went wrong.
func (r Report) OK() bool {
	return r.RelaysAnswered > 0 && r.RelaysLost == 0 && r.ClaimsExpired == 0 && r.SuppliersSlashed == 0
}

// newReport compares what the client got with what the chain did.
func newReport(t *tally, outcomes map[earnedKey]*outcome) Report {
	mined := t.mined()
	r := Report{
		RelaysAnswered: t.answered, RelaysFailed: t.failed, Failures: t.refusals, Retried: t.retried, FailoverMS: []int64{},
	}
	sessions, slashed := make(map[int64]bool), make(map[string]bool)
	for key, count := range mined {
		sessions[key.SessionEnd] = true
		r.RelaysMined += count
		settled := uint64(0)
		if o := outcomes[key]; o != nil {
			settled = o.leaves
		}
		r.RelaysLost += above(count, settled)
	}
	for key, o := range outcomes {
		r.LeavesClaimed += o.claimed
		r.ClaimsSubmitted += o.claims
		r.ClaimsUpdated += o.updates
		r.UpoktSettled += o.upokt
		r.UpoktEarned += o.earned
		r.RelaysClaimedUnanswered += above(o.claimed, mined[key])
		r.ClaimsSettled += count(o.settled)
		r.ClaimsExpired += count(o.expired)
		r.ProofsRequired += count(o.required)
		r.ProofsValidated += count(o.validated)
		if o.slashed {
			slashed[key.Supplier] = true
		}
	}
	r.Sessions, r.SuppliersSlashed = len(sessions), len(slashed)
	return r
}

// above is by how much a exceeds b.
func above(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return 0
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
