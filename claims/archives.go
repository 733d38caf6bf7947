package claims

import (
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/raftfsm"
)

// wantedArchives is the leader and a follower, if there is one.
func wantedArchives(voters int) int { return min(2, voters) }

// NeededRoot is that of a sealed tree that Redis has to hold: fewer members have
// archived it than a claim waits for. Of all other sessions it is nil.
func NeededRoot(state *raftfsm.State, s raftfsm.Session, voters int) []byte {
	if !sealedOpen(s) || len(state.ArchivesOf(s)) >= max(1, wantedArchives(voters)) {
		return nil
	}
	return s.Root
}

// noteUnarchived says which sessions are claimed although a proof of them might
// depend on one copy: their window would not wait.
func (e *Engine) noteUnarchived(sessions []raftfsm.Session) {
	wanted := wantedArchives(e.log.Voters())
	for _, s := range sessions {
		if len(s.Archives) >= wanted {
			continue
		}
		e.metrics.unarchived.Inc()
		e.logger.Warn("claimed before its tree was archived: its proof depends on Redis or on one node", append(sessionFields(s.Ref),
			zap.Strings("archives", s.Archives), zap.Int("wanted", wanted), zap.String("reason", reasonWindow))...)
	}
}

// reasonWindow: too little of the claim window was left.
const reasonWindow = "claim_window_short"
