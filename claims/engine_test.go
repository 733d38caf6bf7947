package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

const rigSettled = rigEnd + 18

func TestSessionsAreSettledOnce(t *testing.T) {
	r := newRig(t, "a", "b")
	r.until(rigSettled, nil)
	for _, id := range []string{"a", "b"} {
		if s := r.session(id); s.Stage != raftfsm.StageSettled || s.Upokt != 42 {
			t.Errorf("session %s: got %s with %d uPOKT (%s)", id, s.Stage, s.Upokt, s.Reason)
		}
	}
	if r.chain.Executed != 2 {
		t.Errorf("%d transactions were executed, want one claim and one proof", r.chain.Executed)
	}
	if len(r.trees.Heads(t.Context())) != 0 {
		t.Errorf("%d trees are left", len(r.trees.Heads(t.Context())))
	}
}

// A failover before every single block must not cost a fee or a session.
func TestFailoverAtEveryBlock(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	r.until(rigSettled, func(int64) { r.failover() })
	for _, id := range []string{"a", "b", "c"} {
		if s := r.session(id); s.Stage != raftfsm.StageSettled {
			t.Errorf("session %s: got %s (%s)", id, s.Stage, s.Reason)
		}
	}
	if r.chain.Executed != 2 {
		t.Errorf("%d transactions were executed, want one claim and one proof", r.chain.Executed)
	}
}

func TestSwallowedBroadcastIsRepeatedByTheNextLeader(t *testing.T) {
	r := newRig(t, "a")
	r.chain.Swallow = true
	r.until(rigEnd+4, nil)
	r.failover()
	r.chain.Swallow = false
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled {
		t.Errorf("got %s (%s)", s.Stage, s.Reason)
	}
	intents := 0
	r.log.View(func(s *raftfsm.State) {
		for range s.Intents() {
			intents++
		}
	})
	if intents != 2 {
		t.Errorf("%d intents, want the first claim and the first proof only", intents)
	}
}

// What blocks did with transactions may take longer to read than a leader lives,
// and nodes may not keep it. Intents of those before go out all the same, and what
// the chain shows of them counts.
func TestIntentsGoOutBeforeBlocksAreRead(t *testing.T) {
	r := newRig(t, "a", "b")
	r.chain.Blind, r.chain.Swallow = true, true
	for height := int64(2); height < rigSettled; height++ {
		r.failover()
		r.chain.Swallow = height%3 != 0 // most die before they broadcast
		_ = r.step(context.Background(), r.chain.Next())
	}
	r.chain.Blind = false
	r.until(rigSettled, nil)
	for _, id := range []string{"a", "b"} {
		if s := r.session(id); s.Stage != raftfsm.StageSettled {
			t.Errorf("session %s: got %s (%s)", id, s.Stage, s.Reason)
		}
	}
}

// A transaction is in no block before it was intended: a new leader reads on from there.
func TestBlocksBeforeAnIntentAreNotRead(t *testing.T) {
	r := newRig(t, "a")
	r.log.voters = 3 // no archive comes: the claim goes out in the middle of its window
	r.chain.Swallow = true
	r.until(rigEnd+8, nil)
	r.failover()
	r.chain.Read = nil
	r.until(rigEnd+9, nil)
	slices.Sort(r.chain.Read)
	if want := []int64{rigEnd + 6, rigEnd + 7, rigEnd + 8, rigEnd + 9}; !slices.Equal(r.chain.Read, want) {
		t.Errorf("read blocks %v, want %v", r.chain.Read, want)
	}
}

// What has been earned can wait, what is yet to be earned cannot.
func TestClaimsGoBeforeSettlements(t *testing.T) {
	r := newRig(t, "a", "b")
	r.add("c", rigSettled-2) // its claim window opens when the others are settled
	r.until(rigSettled-1, nil)
	r.chain.Order = nil
	r.until(rigSettled, nil)
	if want := []string{"broadcast", "forget", "forget"}; !slices.Equal(r.chain.Order, want) {
		t.Errorf("got %v, want %v", r.chain.Order, want)
	}
}

// Many settlements do not keep the next block waiting: some are looked for in each.
func TestNextBlockGoesBeforeSettlements(t *testing.T) {
	r := newRig(t)
	for i := range 2 * tidyChunk {
		r.add(fmt.Sprint("s", i), rigEnd)
	}
	r.feed.latest.Height = 1000 // there is always a newer block
	r.until(rigSettled, nil)
	settled := func() (n int) {
		r.log.View(func(s *raftfsm.State) {
			for session := range s.Sessions() {
				if session.Stage == raftfsm.StageSettled {
					n++
				}
			}
		})
		return n
	}
	if got := settled(); got != tidyChunk {
		t.Errorf("%d sessions settled in one block, want %d", got, tidyChunk)
	}
	r.until(rigSettled+settleGrace+3, nil)
	if got := settled(); got != 2*tidyChunk {
		t.Errorf("%d sessions settled in the end, want %d", got, 2*tidyChunk)
	}
}

// Two thousand sessions whose window opens at one block are claimed at that block,
// in full transactions, and proved at theirs.
func TestManySessionsCloseAtOnce(t *testing.T) {
	const sessions, transactions = 2000, (2000 + maxBatch - 1) / maxBatch
	r := newRig(t)
	for i := range sessions {
		r.add(fmt.Sprint("s", i), rigEnd)
	}
	r.until(rigEnd+3, nil) // it opens at rigEnd+2
	if len(r.chain.Claims) != sessions || r.chain.Executed != transactions {
		t.Errorf("%d claims in %d transactions, want %d in %d", len(r.chain.Claims), r.chain.Executed, sessions, transactions)
	}
	r.until(rigEnd+11, nil)
	if r.trees.proofs != sessions || r.chain.Executed != 2*transactions {
		t.Errorf("%d proofs and %d transactions, want %d and %d", r.trees.proofs, r.chain.Executed, sessions, 2*transactions)
	}
}

// A leader that comes late looks for the settlement before it gives up.
func TestLateSettlementIsFound(t *testing.T) {
	r := newRig(t, "a")
	r.until(rigSettled-1, nil)
	for range 2 * settleGrace {
		r.chain.Next()
	}
	r.until(rigSettled+2*settleGrace+1, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled {
		t.Errorf("got %s (%s)", s.Stage, s.Reason)
	}
}

func TestUnprofitableSessionsAreSkipped(t *testing.T) {
	for name, tc := range map[string]struct {
		worth chain.Worth
		want  raftfsm.Stage
	}{
		"the proof's fee":            {chain.Worth{Reward: 999, ProofChance: 1, ProofFee: 1_000}, raftfsm.StageSkipped},
		"the proof's fee, by chance": {chain.Worth{Reward: 999, ProofChance: 0.9, ProofFee: 1_000}, raftfsm.StageSettled},
		"nothing":                    {chain.Worth{}, raftfsm.StageSettled}, // what a claim costs is not known yet
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "a")
			r.chain.Worth = &tc.worth
			r.failover()
			r.until(rigSettled, nil)
			if s := r.session("a"); s.Stage != tc.want {
				t.Errorf("got %s (%s), want %s", s.Stage, s.Reason, tc.want)
			}
		})
	}
}

// Nodes that do not say what they ask for take the configured price, mostly.
func TestPriceThatNodesDoNotTell(t *testing.T) {
	r := newRig(t, "a")
	r.chain.Priceless = true
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled {
		t.Errorf("got %s (%s)", s.Stage, s.Reason)
	}
	if got := testutil.ToFloat64(r.metrics.priceUnknown); got != 2 {
		t.Errorf("counted %g transactions of an unknown price, want 2", got)
	}
}

// Gas that is too expensive is so for every half of a batch.
func TestTooExpensiveBatchIsNotHalved(t *testing.T) {
	r := newRig(t, "a", "b", "c", "d")
	r.until(rigEnd+1, nil)
	r.chain.MinPrice = 100 * rigGasPrice
	r.until(rigEnd+2, nil)
	if got := testutil.ToFloat64(r.metrics.actionErrors.WithLabelValues("claim")); got != 1 {
		t.Errorf("%g failed actions, want 1", got)
	}
	if r.chain.Priced != 1 {
		t.Errorf("the price was asked for %d times in a block, want once", r.chain.Priced)
	}
}

// A session that cannot be priced is claimed all the same, and the others with it.
func TestSessionWithoutAPriceIsClaimed(t *testing.T) {
	r := newRig(t, "a", "b")
	r.chain.Worth = &chain.Worth{Reward: 1_000_000, Claimed: 1_000_000}
	r.chain.Unpriced["b"] = true
	r.failover()
	r.until(rigSettled, nil)
	for _, id := range []string{"a", "b"} {
		if s := r.session(id); s.Stage != raftfsm.StageSettled {
			t.Errorf("session %s: got %s (%s)", id, s.Stage, s.Reason)
		}
	}
}

// What a message was simulated to cost counts for the next ones.
func TestFeesAreKnownFromSimulations(t *testing.T) {
	r := newRig(t, "a", "b")
	r.chain.Worth = &chain.Worth{Reward: 1_000, ProofChance: 0.5, ProofFee: 1_000}
	r.failover()
	r.until(rigEnd+11, nil)
	sealed := r.session("a")
	sealed.Stage = raftfsm.StageSealed
	got := r.estimates(t.Context(), []raftfsm.Session{sealed})
	// Two messages of 1,000 gas together, adjusted by 1.5, at 0.001 uPOKT.
	want := Estimate{Reward: 1_000, Cost: 0.75 + 0.5*(0.75+1_000)}
	if got[sealed.Ref.Key()] != want {
		t.Errorf("got %+v, want %+v", got[sealed.Ref.Key()], want)
	}
}

// One message that the chain refuses must not cost the others their claim.
func TestPoisonedBatchIsHalved(t *testing.T) {
	r := newRig(t, "a", "b", "c", "d")
	r.chain.Poison["c"] = true
	r.until(rigSettled, nil)
	for _, id := range []string{"a", "b", "d"} {
		if s := r.session(id); s.Stage != raftfsm.StageSettled {
			t.Errorf("session %s: got %s (%s)", id, s.Stage, s.Reason)
		}
	}
	if s := r.session("c"); s.Stage != raftfsm.StageLost || s.Reason != string(ReasonClaimWindowPast) {
		t.Errorf("session c: got %s (%s)", s.Stage, s.Reason)
	}
}

func TestMessageThatDoesNotSimulateIsLeftOut(t *testing.T) {
	r := newRig(t, "a", "b", "c")
	r.chain.Simulated["b"] = true
	r.until(rigSettled, nil)
	for id, want := range map[string]raftfsm.Stage{"a": raftfsm.StageSettled, "b": raftfsm.StageLost, "c": raftfsm.StageSettled} {
		if s := r.session(id); s.Stage != want {
			t.Errorf("session %s: got %s (%s), want %s", id, s.Stage, s.Reason, want)
		}
	}
}

func TestProofThatIsNotRequiredIsNotSent(t *testing.T) {
	r := newRig(t, "a")
	r.chain.NoProof = true
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled || s.ProofRequired != raftfsm.ProofNotRequired {
		t.Errorf("got %s, proof %s", s.Stage, s.ProofRequired)
	}
	if r.trees.proofs != 0 || r.chain.Executed != 1 {
		t.Errorf("%d proofs built, %d transactions", r.trees.proofs, r.chain.Executed)
	}
}

func TestExpiredClaimSaysSo(t *testing.T) {
	r := newRig(t, "a")
	r.until(rigEnd+9, nil)
	r.chain.Swallow = true // no proof gets through
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageExpired || s.Reason != string(ReasonClaimExpired) {
		t.Errorf("got %s (%s)", s.Stage, s.Reason)
	}
}

// A leader whose leadership does not verify broadcasts nothing, though it has
// the intent and the bytes.
func TestUnverifiedLeaderBroadcastsNothing(t *testing.T) {
	r := newRig(t, "a")
	r.until(rigEnd+1, nil)
	r.log.deposed = true
	err := r.step(context.Background(), r.chain.Next())
	if !errors.Is(err, raftfsm.ErrNotLeader) {
		t.Errorf("got %v, want %v", err, raftfsm.ErrNotLeader)
	}
	if len(r.chain.Mempool) != 0 {
		t.Error("the transaction was broadcast")
	}
	r.log.deposed = false
	r.failover()
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled || r.chain.Executed != 2 {
		t.Errorf("got %s (%s), %d transactions", s.Stage, s.Reason, r.chain.Executed)
	}
}

// An engine of an old epoch decides nothing.
func TestOldEpochIsStale(t *testing.T) {
	r := newRig(t, "a")
	old := r.Engine
	r.until(rigEnd+1, nil)
	r.failover()
	if err := old.step(context.Background(), r.chain.Next()); !errors.Is(err, raftfsm.ErrStaleEpoch) {
		t.Errorf("got %v, want %v", err, raftfsm.ErrStaleEpoch)
	}
	if s := r.session("a"); s.Ref != (chain.SessionRef{}) {
		t.Errorf("the old engine recorded %s", s.Stage)
	}
}

// A key that is missing for a while costs nothing; one that stays away costs its
// sessions, and they say so.
func TestSessionsWithoutAKey(t *testing.T) {
	r := newRig(t, "a")
	supplier := r.trees.Heads(t.Context())[0].Ref.Supplier
	key := r.keys[supplier]
	delete(r.keys, supplier)
	r.until(rigEnd+4, nil)
	if got := testutil.ToFloat64(r.metrics.keyless); got != 1 {
		t.Errorf("%g sessions without a key, want 1", got)
	}
	r.keys[supplier] = key
	r.until(rigSettled, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageSettled {
		t.Errorf("the key came back, got %s (%s)", s.Stage, s.Reason)
	}
	if got := testutil.ToFloat64(r.metrics.keyless); got != 0 {
		t.Errorf("%g sessions without a key, want none", got)
	}

	r = newRig(t, "b")
	clear(r.keys)
	r.until(rigSettled, nil)
	if s := r.session("b"); s.Stage != raftfsm.StageLost || s.Reason != string(ReasonNoKey) {
		t.Errorf("without a key: got %s (%s), want lost (no_key)", s.Stage, s.Reason)
	}
}
