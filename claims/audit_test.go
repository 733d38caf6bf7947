package claims

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm"
)

// Each block the books are looked at: while all is well nothing is amiss, and what is
// due shows.
func TestAuditOfEachBlock(t *testing.T) {
	r := newRig(t, "a", "b")
	amiss := func(height int64) {
		t.Helper()
		for _, identity := range ledger.Identities() {
			if gap := testutil.ToFloat64(r.metrics.gaps.WithLabelValues(string(identity))); gap != 0 {
				t.Errorf("height %d: %v sessions violate %s", height, gap, identity)
			}
		}
	}
	r.chain.Swallow = true // so that a claim stays due
	r.until(rigEnd+5, amiss)
	if got := testutil.ToFloat64(r.metrics.atRisk.WithLabelValues("claim")); got != 84 {
		t.Errorf("%v uPOKT at risk, want 84", got)
	}
	if got := testutil.ToFloat64(r.metrics.deadline.WithLabelValues("claim")); got != 5 {
		t.Errorf("%v blocks left, want 5", got)
	}
	r.chain.Swallow = false
	r.until(rigSettled, amiss)
	amiss(rigSettled)
	if got := testutil.ToFloat64(r.metrics.atRisk.WithLabelValues("claim")); got != 0 {
		t.Errorf("%v uPOKT at risk, want 0", got)
	}
	if n := testutil.CollectAndCount(r.metrics.deadline); n != 0 {
		t.Errorf("%d deadlines, want none", n)
	}
	for _, id := range []string{"a", "b"} {
		s := r.session(id)
		if s.SealHeight != rigEnd+2 || s.EndedHeight != rigSettled || s.EndedTime != 1_700_000_000+rigSettled || s.Worth != 42 {
			t.Errorf("session %s: %+v", id, s)
		}
	}
}

// A root that does not count what was recorded is noticed.
func TestAuditFindsARootThatDoesNotCount(t *testing.T) {
	r := newRig(t, "a")
	for key, head := range r.trees.heads {
		head.Count = 2
		r.trees.heads[key] = head
	}
	r.until(rigEnd+3, nil)
	if got := testutil.ToFloat64(r.metrics.gaps.WithLabelValues(string(ledger.IdentityLeaves))); got != 1 {
		t.Errorf("%v sessions violate the identity, want 1 (%s)", got, r.session("a").Stage)
	}
	if s := r.session("a"); s.Stage == raftfsm.StageActive {
		t.Errorf("a is %s", s.Stage)
	}
}
