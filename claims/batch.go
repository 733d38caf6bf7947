package claims

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// effectKey names what was tried for a session.
type effectKey struct {
	kind    raftfsm.EffectKind
	session chain.SessionKey
}

// effect sums up the intents for an effectKey.
type effect struct {
	open    bool // an intent is pending or has landed
	tried   bool // there is an intent, whatever became of it
	limit   int  // the largest batch the session may share; 0 is no limit
	refused int  // batches of it that the chain refused
}

// effectsOf reads the intents. A transaction is atomic, so one bad message
// fails a batch: a session whose batch was refused by the chain may next time
// share only half as large a one, until the bad message is alone.
func effectsOf(intents []raftfsm.Intent) map[effectKey]effect {
	effects := make(map[effectKey]effect)
	for _, intent := range intents {
		for _, key := range intent.SessionKeys() {
			at := effectKey{intent.Kind, key}
			e := effects[at]
			e.tried = true
			if intent.Status != raftfsm.IntentDead {
				e.open = true
			} else if intent.Code != 0 {
				e.refused++
				if half := max(1, len(intent.Sessions)/2); e.limit == 0 || half < e.limit {
					e.limit = half
				}
			}
			effects[at] = e
		}
	}
	return effects
}

// group cuts sessions into batches: one supplier, one session end height, and
// no larger than any member allows. The order of sessions is kept, but those that the
// chain has refused more often come last: where a supplier's transactions go one after
// the other, they must not keep the good ones waiting.
func (p *planner) group(kind raftfsm.EffectKind, sessions []raftfsm.Session) [][]raftfsm.Session {
	type groupKey struct {
		supplier string
		end      int64
		limit    int
		refused  int
	}
	groups := make(map[groupKey][]raftfsm.Session)
	var order []groupKey
	for _, s := range sessions {
		tried := p.effects[effectKey{kind, s.Ref.Key()}]
		limit := tried.limit
		if limit == 0 || limit > maxBatch {
			limit = maxBatch
		}
		key := groupKey{s.Ref.Supplier, s.Ref.EndHeight, limit, tried.refused}
		if _, seen := groups[key]; !seen {
			order = append(order, key)
		}
		groups[key] = append(groups[key], s)
	}
	slices.SortStableFunc(order, func(a, b groupKey) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.refused, b.refused)) })
	var batches [][]raftfsm.Session
	for _, key := range order {
		batches = slices.AppendSeq(batches, slices.Chunk(groups[key], key.limit))
	}
	return batches
}

// batchID is the hash of what a batch does, equal on every node.
func batchID(kind raftfsm.EffectKind, batch []raftfsm.Session) string {
	h := sha256.New()
	write := func(s string) { h.Write(append([]byte(s), 0)) }
	write(kind.String())
	write(batch[0].Ref.Supplier)
	for _, s := range batch {
		write(s.Ref.SessionID)
		h.Write(s.Root)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
