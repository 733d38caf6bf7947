package claims

import (
	"slices"
	"testing"

	"github.com/raftminer/raftminer/raftfsm"
)

// TestChainFaults lets the chain go wrong from when the claim window opens for as
// many blocks as leave time to mend it. The session is paid, and no transaction
// beyond the claim and the proof takes effect: no fee is paid twice.
func TestChainFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		begin, end func(c *fakeChain)
		executed   int // transactions, those that failed as well
	}{
		"none": {func(*fakeChain) {}, func(*fakeChain) {}, 2},
		"accepted, then evicted": {
			func(c *fakeChain) { c.swallow = true }, func(c *fakeChain) { c.swallow = false }, 2,
		},
		"mempool is full": {
			func(c *fakeChain) { c.refuse = true }, func(c *fakeChain) { c.refuse = false }, 2,
		},
		"included, but the answer is lost": {
			func(c *fakeChain) { c.mute = true }, func(c *fakeChain) { c.mute = false }, 2,
		},
		"out of gas": {
			func(c *fakeChain) { c.gasUsed = 1.7 }, func(c *fakeChain) { c.gasUsed = 1 }, 3,
		},
		"nodes ask for a higher price": {
			func(c *fakeChain) { c.minPrice = 0.0099 }, func(*fakeChain) {}, 2, // it stays so
		},
		"nodes ask for more than may be paid": {
			func(c *fakeChain) { c.minPrice = 0.0101 }, func(c *fakeChain) { c.minPrice = 0 }, 2,
		},
		"no block results": {
			func(c *fakeChain) { c.blind = true }, func(c *fakeChain) { c.blind = false }, 2,
		},
		"a node that is behind answers": {
			func(c *fakeChain) { c.behind = 2 }, func(c *fakeChain) { c.behind = 0 }, 2,
		},
		"simulation fails": {
			func(c *fakeChain) { c.simulated["a"] = true }, func(c *fakeChain) { delete(c.simulated, "a") }, 2,
		},
	} {
		for _, from := range []int64{rigEnd + 1, rigEnd + 9} { // before the claim, before the proof
			t.Run(name, func(t *testing.T) {
				r := newRig(t, "a")
				for r.chain.height < rigSettled {
					switch r.chain.height {
					case from:
						tc.begin(r.chain)
					case from + 4:
						tc.end(r.chain)
					}
					_ = r.step(t.Context(), r.chain.next()) // a step may fail, the next one mends it
				}
				if s := r.session("a"); s.Stage != raftfsm.StageSettled {
					t.Errorf("from height %d: got %s (%s)", from, s.Stage, s.Reason)
				}
				if got := r.chain.executed; got != tc.executed {
					t.Errorf("from height %d: %d transactions were executed, want %d", from, got, tc.executed)
				}
				if over := slices.Max(r.chain.paid); over > 10*1.5*1000*2*rigGasPrice {
					t.Errorf("from height %d: %g uPOKT paid for a transaction", from, over)
				}
			})
		}
	}
}
