package devnet

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// earnedKey is a supplier's share of a session, by what every claim event
// tells: created and expired claims do not carry the session id.
type earnedKey struct {
	Supplier, Application, Service string
	SessionEnd                     int64
}

// tally counts the relays that the client got a checked answer for.
type tally struct {
	mu       sync.Mutex
	answered int
	failed   int
	refusals map[string]int // by what the last try of a failed relay got
	retried  map[string]int // by what the others that failed got
	leaves   map[earnedKey]map[[32]byte]struct{}
	lastEnd  int64
	firstEnd int64
}

func newTally() *tally {
	return &tally{refusals: make(map[string]int), retried: make(map[string]int), leaves: make(map[earnedKey]map[[32]byte]struct{})}
}

// answer counts a relay whose supplier is bound to it.
func (t *tally) answer(a *gateway.Answer) {
	header := a.Request.Meta.SessionHeader
	key := earnedKey{
		Supplier:    a.Request.Meta.SupplierOperatorAddress,
		Application: header.ApplicationAddress,
		Service:     header.ServiceId,
		SessionEnd:  header.SessionEndBlockHeight,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered++
	t.lastEnd = max(t.lastEnd, key.SessionEnd)
	if t.firstEnd == 0 || key.SessionEnd < t.firstEnd {
		t.firstEnd = key.SessionEnd
	}
	if !a.Mined {
		return
	}
	if t.leaves[key] == nil {
		t.leaves[key] = make(map[[32]byte]struct{})
	}
	t.leaves[key][a.Leaf] = struct{}{}
}

func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.refusals[err.Error()]++
}

func (t *tally) retry(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retried[err.Error()]++
}

// mined is the number of distinct leaves that each tree must have.
func (t *tally) mined() map[earnedKey]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[earnedKey]uint64, len(t.leaves))
	for key, leaves := range t.leaves {
		counts[key] = uint64(len(leaves))
	}
	return counts
}

func (t *tally) progress() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Progress{Answered: t.answered, Failed: t.failed}
}

// errors are the failures so far, each kind once.
func (t *tally) errors() (errs []error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, text := range slices.Sorted(maps.Keys(t.refusals)) {
		errs = append(errs, fmt.Errorf("%s (%d times)", text, t.refusals[text]))
	}
	return errs
}
