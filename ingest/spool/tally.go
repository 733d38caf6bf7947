package spool

import (
	"context"

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
}

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
// doubted. What fails is told at the next look.
func (s *Spool) tell(ctx context.Context) {
	var news []ingest.Published
	s.mu.Lock()
	for key, t := range s.sessions {
		if t.doubted && t.published != t.told && s.parts[s.keys.Partition(key)].there {
			news = append(news, ingest.Published{Ref: t.ref, Relays: t.published})
		}
	}
	s.mu.Unlock()
	if len(news) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := ingest.Tell(ctx, s.rdb, s.keys, s.id, news); err != nil {
		s.log.Warn("miners not told how many relays were published", zap.Int("sessions", len(news)), zap.Error(err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range news {
		if t, ok := s.sessions[n.Ref.Key()]; ok {
			t.told = n.Relays
		}
	}
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
