package raftfsm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/raftminer/raftminer/chain"
)

// How much of the state is looked at under the lock that Apply waits for.
const (
	pageDefault = 500
	pageMax     = 2000
	pageBudget  = 10_000 // records looked at, whether they fit or not
)

// page is one stretch of a walk over records in the order of their keys.
type page struct {
	size   int
	budget int
	last   string // key of the last record looked at
	ended  bool   // there is nothing after it
}

func newPage(size uint32) *page {
	p := &page{size: int(min(size, pageMax)), budget: pageBudget, ended: true}
	if p.size == 0 {
		p.size = pageDefault
	}
	return p
}

// room says whether one more record may be looked at; took counts those that fit.
func (p *page) room(took int) bool {
	if took < p.size && p.budget > 0 {
		p.budget--
		return true
	}
	p.ended = false
	return false
}

// next is the token of the page after this one.
func (p *page) next() string {
	if p.ended {
		return ""
	}
	return p.last
}

// SessionName is how a session is written: supplier/session id.
func SessionName(k chain.SessionKey) string { return k.Supplier + "/" + k.SessionID }

// ParseSessionName reads supplier/session id.
func ParseSessionName(name string) (chain.SessionKey, error) {
	supplier, id, found := strings.Cut(name, "/")
	if !found || supplier == "" || id == "" {
		return chain.SessionKey{}, fmt.Errorf("session %q: want SUPPLIER/SESSION_ID", name)
	}
	return chain.SessionKey{Supplier: supplier, SessionID: id}, nil
}

func parseIntentName(name string) (IntentKey, error) {
	at := strings.LastIndexByte(name, '/')
	attempt, err := strconv.ParseUint(name[at+1:], 10, 32)
	if at < 0 || err != nil {
		return IntentKey{}, fmt.Errorf("intent %q: want BATCH/ATTEMPT", name)
	}
	return IntentKey{Batch: name[:at], Attempt: uint32(attempt)}, nil
}

// sessionsFrom visits sessions in key order, from key on.
func (s *State) sessionsFrom(key chain.SessionKey, visit func(*Session) bool) {
	probe := Session{Ref: chain.SessionRef{Supplier: key.Supplier, SessionID: key.SessionID}}
	s.sessions.Ascend(&probe, visit)
}

// intentsFrom visits intents in key order, from key on.
func (s *State) intentsFrom(key IntentKey, visit func(*Intent) bool) {
	s.intents.Ascend(&Intent{Batch: key.Batch, Attempt: key.Attempt}, visit)
}
