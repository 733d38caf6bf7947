package spool

import (
	"cmp"
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

// tally is what is known of a session until the miners need it no longer.
type tally struct {
	held      int              // entries
	ref       chain.SessionRef // once there was a publication
	published uint64           // relays that this process put into the stream, each counted once
	doubted   bool             // Redis may have lost some of the session's relays
	told      uint64           // of published, the figure that Redis has
	turn      uint64           // of tell, that told it last
}

// tellAgain bounds the sessions that a look tells of again. There may be thousands in
// doubt, each with new relays, and Redis has better things to do.
const tellAgain = 1000

// tallyOf is the tally of a session, a new one if there is none.
func (s *Spool) tallyOf(key chain.SessionKey) *tally {
	t, ok := s.sessions[key]
	if !ok {
		t = &tally{}
		s.sessions[key] = t
	}
	return t
}

// count takes in a relay that is in the stream. One that cannot be read is none of any
// tree.
func (s *Spool) count(relay ingest.MinedRelay) {
	t := s.tallyOf(relay.Key())
	if t.published == 0 {
		var err error
		if t.ref, err = relay.Ref(); err != nil {
			return
		}
	}
	t.published++
}

// known are the sessions that have a tally.
func (s *Spool) known() (keys []chain.SessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.sessions {
		keys = append(keys, key)
	}
	return keys
}

// doubt marks the sessions of a partition of which Redis may have lost relays, and
// what it was told of them.
func (s *Spool) doubt(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.sessions {
		if s.keys.Partition(key) == number {
			t.doubted, t.told = true, 0
		}
	}
}

// joinDoubts marks sessions that another relayer doubts: without the relays that this
// one published since, the sum would be too small.
func (s *Spool) joinDoubts(sessions []chain.SessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sessions {
		if t, ok := s.sessions[key]; ok {
			t.doubted = true
		}
	}
}

// tell lets the miners know how many relays there should be in the sessions that are
// doubted, but of no more than again that it told of before. What fails is told at the
// next look.
func (s *Spool) tell(ctx context.Context, again int) {
	news := s.untold(again)
	if len(news) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := ingest.Tell(ctx, s.rdb, s.keys, s.id, news); err != nil {
		s.log.Warn("miners not told how many relays were published", zap.Int("sessions", len(news)), zap.Error(err))
		return
	}
	s.turn++
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range news {
		if t, ok := s.sessions[n.Ref.Key()]; ok {
			t.told, t.turn = n.Relays, s.turn
		}
	}
}

// untold is all that Redis does not know at all, and of what has grown since it was told
// what has waited longest.
func (s *Spool) untold(again int) (news []ingest.Published) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var grown []*tally
	for key, t := range s.sessions {
		switch {
		case !t.doubted || t.published == t.told || !s.parts[s.keys.Partition(key)].there:
		case t.told == 0:
			news = append(news, ingest.Published{Ref: t.ref, Relays: t.published})
		default:
			grown = append(grown, t)
		}
	}
	slices.SortFunc(grown, func(a, b *tally) int { return cmp.Compare(a.turn, b.turn) })
	for _, t := range grown[:min(len(grown), again)] {
		news = append(news, ingest.Published{Ref: t.ref, Relays: t.published, Listed: true})
	}
	return news
}

// close ends the tallies of sessions that the miners have done with.
func (s *Spool) close(sessions []chain.SessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sessions {
		if t, ok := s.sessions[key]; ok && t.held == 0 {
			delete(s.sessions, key)
		}
	}
}
