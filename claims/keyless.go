package claims

import (
	"iter"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/raftfsm"
)

// Keyless counts, by supplier, the sessions that are yet to be claimed or proved and for
// whose supplier keys has no key.
func Keyless(sessions iter.Seq[raftfsm.Session], keys Keys) map[string]int {
	missing := make(map[string]int)
	for s := range sessions {
		if !unsigned(s) {
			continue
		}
		if _, ok := keys.Key(s.Ref.Supplier); !ok {
			missing[s.Ref.Supplier]++
		}
	}
	return missing
}

// unsigned says that something may have to be signed for s.
func unsigned(s raftfsm.Session) bool {
	switch s.Stage {
	case raftfsm.StageActive, raftfsm.StageSealed:
		return true
	case raftfsm.StageClaimed:
		return s.ProofRequired != raftfsm.ProofNotRequired
	}
	return false
}

// withoutKey are the suppliers that have sessions to claim or prove here, and no
// key. It tells of them when they change.
func (e *Engine) withoutKey(sessions []raftfsm.Session) map[string]bool {
	missing, count := make(map[string]bool), 0
	for supplier, n := range Keyless(slices.Values(sessions), e.keys) {
		missing[supplier] = true
		count += n
	}
	e.metrics.keyless.Set(float64(count))
	if len(missing) > 0 && !maps.Equal(missing, e.keyless) {
		e.logger.Error("no key for suppliers with open sessions: they are lost if it is not put back into a source in time",
			zap.String("reason", string(ReasonNoKey)), zap.Strings("suppliers", slices.Sorted(maps.Keys(missing))), zap.Int("sessions", count))
	}
	e.keyless = missing
	return missing
}
