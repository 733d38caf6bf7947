package claims

import (
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/raftfsm"
)

// withoutKey are the suppliers that have sessions to claim or prove here, and no
// key. It tells of them when they change.
func (e *Engine) withoutKey(sessions []raftfsm.Session) map[string]bool {
	missing, count := make(map[string]bool), 0
	for _, s := range sessions {
		if s.Stage != raftfsm.StageActive && !unsettled(s) {
			continue
		}
		if _, ok := e.keys.Key(s.Ref.Supplier); !ok {
			missing[s.Ref.Supplier] = true
			count++
		}
	}
	e.metrics.keyless.Set(float64(count))
	if len(missing) > 0 && !maps.Equal(missing, e.keyless) {
		e.logger.Error("no key for suppliers with open sessions: they are lost if it is not put back into a source in time",
			zap.Strings("suppliers", slices.Sorted(maps.Keys(missing))), zap.Int("sessions", count))
	}
	e.keyless = missing
	return missing
}
