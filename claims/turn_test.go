package claims

import (
	"fmt"
	"testing"
	"time"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

func sessionsNamed(supplier string, n int) []raftfsm.Session {
	var sessions []raftfsm.Session
	for i := range n {
		sessions = append(sessions, raftfsm.Session{Ref: chain.SessionRef{Supplier: supplier, SessionID: fmt.Sprint("session", i), EndHeight: 10}})
	}
	return sessions
}

// Suppliers are spread evenly over a third of the window, and a supplier with more
// sessions than fit into a transaction is spread itself.
func TestTurnsAreSpread(t *testing.T) {
	var many []raftfsm.Session
	for i := range 600 {
		many = append(many, sessionsNamed(fmt.Sprint("supplier", i), 1)...)
	}
	for name, sessions := range map[string][]raftfsm.Session{"600 suppliers": many, "600 sessions": sessionsNamed("supplier", 600)} {
		for _, window := range []int64{1, 4, 10, 20, 100} {
			turns, counts := turnsOf(sessions), make(map[int64]int)
			for _, s := range sessions {
				counts[turns.of(s.Ref, window, time.Minute)]++
			}
			blocks := max(1, window/politePart)
			if name == "600 sessions" {
				blocks = min(blocks, 600/maxBatch)
			}
			if len(counts) != int(blocks) {
				t.Errorf("%s, window of %d: %d turns, want %d", name, window, len(counts), blocks)
			}
			for turn, n := range counts {
				if fair := 600 / int(blocks); turn >= max(1, window/2) || n > 3*fair || n < fair/4 {
					t.Errorf("%s, window of %d: %d have turn %d, a fair share is %d", name, window, n, turn, fair)
				}
			}
		}
	}
}

// Sessions that fit into a transaction have one turn.
func TestCompanyHasOneTurn(t *testing.T) {
	sessions := sessionsNamed("supplier", maxBatch)
	turns := turnsOf(sessions)
	for _, s := range sessions {
		if got, want := turns.of(s.Ref, 60, time.Minute), turns.of(sessions[0].Ref, 60, time.Minute); got != want {
			t.Errorf("%s: turn %d, want %d", s.Ref.SessionID, got, want)
		}
	}
}
