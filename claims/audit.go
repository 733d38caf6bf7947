package claims

import (
	"context"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm"
)

// books are what the engine has said of the sessions so far.
type books struct {
	told map[toldGap]bool
}

// toldGap is a gap that was logged, once.
type toldGap struct {
	session  string
	identity ledger.Identity
}

// audit holds every session against the identities, and tells what is at risk.
func (e *Engine) audit(ctx context.Context, height int64) error {
	var sessions []raftfsm.Session
	e.log.View(func(s *raftfsm.State) {
		for session := range s.Sessions() {
			sessions = append(sessions, session)
		}
	})
	gaps, told := make(map[ledger.Identity]int), make(map[toldGap]bool)
	risk, left := make(map[string]uint64), make(map[string]int64)
	for _, s := range sessions {
		record := raftfsm.RecordOf(s)
		for _, gap := range ledger.Check(record) {
			gaps[gap.Identity]++
			at := toldGap{raftfsm.SessionName(s.Ref.Key()), gap.Identity}
			if told[at] = true; !e.books.told[at] {
				e.logger.Error("the books do not add up for a session", append(sessionFields(s.Ref),
					zap.String("identity", string(gap.Identity)), zap.String("detail", gap.Detail))...)
			}
		}
		if s.Stage.Terminal() {
			continue
		}
		windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
		if err != nil {
			return err
		}
		if d, due := ledger.Due(record, windows, height); due {
			risk[d.Kind] += s.Worth
			if nearest, known := left[d.Kind]; !known || d.Left < nearest {
				left[d.Kind] = d.Left
			}
		}
	}
	e.books.told = told
	e.metrics.audited(gaps, risk, left)
	return nil
}
