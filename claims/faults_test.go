package claims

import (
	"slices"
	"testing"

	"github.com/raftminer/raftminer/chain/chaintest"
	"github.com/raftminer/raftminer/raftfsm"
)

// TestChainFaults lets the chain go wrong from when the claim window opens for as
// many blocks as leave time to mend it. The session is paid, and no transaction
// beyond the claim and the proof takes effect: no fee is paid twice.
func TestChainFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		begin, end func(c *chaintest.Chain)
		executed   int // transactions, those that failed as well
	}{
		"none": {func(*chaintest.Chain) {}, func(*chaintest.Chain) {}, 2},
		"accepted, then evicted": {
			func(c *chaintest.Chain) { c.Swallow = true }, func(c *chaintest.Chain) { c.Swallow = false }, 2,
		},
		"blocks three times as slow": {
			func(c *chaintest.Chain) { c.Slow = true }, func(c *chaintest.Chain) { c.Slow = false }, 2,
		},
		"slow blocks, and evicted": {
			func(c *chaintest.Chain) { c.Slow, c.Swallow = true, true }, func(c *chaintest.Chain) { c.Slow, c.Swallow = false, false }, 2,
		},
		"mempool is full": {
			func(c *chaintest.Chain) { c.Refuse = true }, func(c *chaintest.Chain) { c.Refuse = false }, 2,
		},
		"included, but the answer is lost": {
			func(c *chaintest.Chain) { c.Mute = true }, func(c *chaintest.Chain) { c.Mute = false }, 2,
		},
		"out of gas": {
			func(c *chaintest.Chain) { c.GasUsed = 1.7 }, func(c *chaintest.Chain) { c.GasUsed = 1 }, 3,
		},
		"nodes ask for a higher price": {
			func(c *chaintest.Chain) { c.MinPrice = 0.0099 }, func(*chaintest.Chain) {}, 2, // it stays so
		},
		"nodes ask for more than may be paid": {
			func(c *chaintest.Chain) { c.MinPrice = 0.0101 }, func(c *chaintest.Chain) { c.MinPrice = 0 }, 2,
		},
		"no block results": {
			func(c *chaintest.Chain) { c.Blind = true }, func(c *chaintest.Chain) { c.Blind = false }, 2,
		},
		"a node that is behind answers": {
			func(c *chaintest.Chain) { c.Behind = 2 }, func(c *chaintest.Chain) { c.Behind = 0 }, 2,
		},
		"simulation fails": {
			func(c *chaintest.Chain) { c.Simulated["a"] = true }, func(c *chaintest.Chain) { delete(c.Simulated, "a") }, 2,
		},
	} {
		for _, from := range []int64{rigEnd + 1, rigEnd + 9} { // before the claim, before the proof
			t.Run(name, func(t *testing.T) {
				r := newRig(t, "a")
				for r.chain.Height < rigSettled {
					switch r.chain.Height {
					case from:
						tc.begin(r.chain)
					case from + 4:
						tc.end(r.chain)
					}
					_ = r.step(t.Context(), r.chain.Next()) // a step may fail, the next one mends it
				}
				if s := r.session("a"); s.Stage != raftfsm.StageSettled {
					t.Errorf("from height %d: got %s (%s)", from, s.Stage, s.Reason)
				}
				if got := r.chain.Executed; got != tc.executed {
					t.Errorf("from height %d: %d transactions were executed, want %d", from, got, tc.executed)
				}
				if over := slices.Max(r.chain.Paid); over > 10*1.5*1000*2*rigGasPrice {
					t.Errorf("from height %d: %g uPOKT paid for a transaction", from, over)
				}
			})
		}
	}
}
