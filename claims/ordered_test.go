package claims

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/raftminer/raftminer/raftfsm"
)

// orderedRig is on a chain that has unordered transactions off.
func orderedRig(t *testing.T, sessions ...string) *rig {
	t.Helper()
	r := newRig(t, sessions...)
	r.chain.Ordered = true
	return r
}

func (r *rig) allSettled(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		if s := r.session(id); s.Stage != raftfsm.StageSettled {
			r.t.Errorf("session %s: got %s (%s)", id, s.Stage, s.Reason)
		}
	}
}

// Where unordered transactions are off, a supplier's go out one after the other, and
// each takes a sequence.
func TestOrderedTransactions(t *testing.T) {
	r := orderedRig(t)
	var ids []string
	for i := range 3 * maxBatch {
		ids = append(ids, fmt.Sprintf("s%02d", i))
		r.add(ids[i], rigEnd)
	}
	most := 0
	r.until(rigSettled, func(int64) { most = max(most, len(r.chain.Mempool)) })
	r.allSettled(ids...)
	if r.chain.Executed != 6 || r.chain.Nonce != 6 {
		t.Errorf("%d transactions, sequence %d, want three of claims and three of proofs", r.chain.Executed, r.chain.Nonce)
	}
	if most != 1 {
		t.Errorf("%d transactions of one supplier were under way, want one at a time", most)
	}
}

// A new leader sends the bytes that stand, and makes no second transaction of their
// sequence.
func TestOrderedFailoverAtEveryBlock(t *testing.T) {
	r := orderedRig(t, "a", "b", "c")
	r.until(rigSettled, func(int64) { r.failover() })
	r.allSettled("a", "b", "c")
	if r.chain.Executed != 2 {
		t.Errorf("%d transactions were executed, want one claim and one proof", r.chain.Executed)
	}
}

// A swallowed transaction holds its supplier's lane, and is sent again, until it can
// land no more; then its sequence is used by another.
func TestOrderedSwallowed(t *testing.T) {
	for name, mend := range map[string]int64{"sent again": rigEnd + 5, "tried anew": rigEnd + 8} {
		t.Run(name, func(t *testing.T) {
			r := orderedRig(t, "a")
			r.chain.Swallow = true
			r.chain.Spacing = 3 // a transaction lives for 12 s
			r.until(mend, func(int64) { r.failover() })
			r.chain.Swallow = false
			r.until(rigSettled, nil)
			r.allSettled("a")
			if r.chain.Executed != 2 || r.chain.Nonce != 2 {
				t.Errorf("%d transactions, sequence %d, want 2", r.chain.Executed, r.chain.Nonce)
			}
		})
	}
}

// A transaction of the operator's own hand takes the sequence of ours, which can never
// land then: that is seen at the next block, and it is made anew at the one after,
// and not when its time is over.
func TestOrderedSequenceIsTaken(t *testing.T) {
	r := orderedRig(t, "a")
	r.chain.Swallow = true
	r.until(rigEnd+2, nil)
	r.chain.Swallow = false
	clear(r.chain.Mempool)
	r.chain.Nonce++
	r.until(rigEnd+5, nil)
	if s := r.session("a"); s.Stage != raftfsm.StageClaimed {
		t.Errorf("three blocks later: got %s (%s), want claimed", s.Stage, s.Reason)
	}
	r.until(rigSettled, nil)
	r.allSettled("a")
	var reasons []string
	r.log.View(func(s *raftfsm.State) {
		for intent := range s.Intents() {
			reasons = append(reasons, intent.Reason)
		}
	})
	slices.Sort(reasons)
	if want := []string{"", "", reasonSequenceTaken}; !slices.Equal(reasons, want) {
		t.Errorf("intents ended with %q, want %q", reasons, want)
	}
}

// What landed is not taken for a sequence that somebody else took, however late its
// effect is seen.
func TestOrderedLandedIsNotTaken(t *testing.T) {
	r := orderedRig(t, "a")
	r.until(rigEnd+2, nil)
	block := r.chain.Next() // it lands
	r.chain.Past[block.Height] = nil
	if err := r.step(context.Background(), block); err != nil {
		t.Fatal(err)
	}
	block = r.chain.Next()
	r.chain.Past[block.Height] = nil
	if err := r.step(context.Background(), block); err != nil {
		t.Fatal(err)
	}
	r.until(rigSettled, nil)
	r.allSettled("a")
	if r.chain.Executed != 2 {
		t.Errorf("%d transactions were executed, want one claim and one proof", r.chain.Executed)
	}
}

// One message that the chain refuses costs the others neither claim nor lane.
func TestOrderedPoisonedBatch(t *testing.T) {
	r := orderedRig(t, "a", "b", "c", "d")
	r.chain.Poison["c"] = true
	r.until(rigSettled, nil)
	r.allSettled("a", "b", "d")
	if s := r.session("c"); s.Stage != raftfsm.StageLost {
		t.Errorf("session c: got %s (%s)", s.Stage, s.Reason)
	}
}
