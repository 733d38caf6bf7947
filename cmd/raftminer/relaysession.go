package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

const (
	// sessionAge is how long a session is taken for the newest one.
	sessionAge = time.Second
	// sessionTries is how many sessions a relay is sent in when each is over by the
	// time it arrives, and sessionPause what the full node has to see the next block.
	sessionTries = 4
	sessionPause = 200 * time.Millisecond
)

// newestSession is asked for from time to time, and when the one that is known turned
// out to be over.
type newestSession struct {
	ask func(context.Context) (*gateway.Session, error)

	mu      sync.Mutex // held while asking
	known   *gateway.Session
	fetched time.Time
}

func (s *newestSession) get(ctx context.Context, over *gateway.Session) (*gateway.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known != nil && s.known != over && time.Since(s.fetched) < sessionAge {
		return s.known, nil
	}
	session, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	s.known, s.fetched = session, time.Now()
	return session, nil
}

// send sends the n-th relay to the supplier that pick takes of a session, once more
// in the next session if its own is over by now.
func (s *relaySender) send(ctx context.Context, n int, pick func(*gateway.Session) (string, error)) (*delivery, error) {
	var over *gateway.Session
	for try := 1; ; try++ {
		session, err := s.sessions.get(ctx, over)
		if err != nil {
			return &delivery{relaySender: s}, err
		}
		supplier, err := pick(session)
		if err != nil {
			return &delivery{relaySender: s}, err
		}
		d, err := s.deliver(ctx, session, supplier, n)
		if try == sessionTries || !isOver(err) {
			return d, err
		}
		over = session
		select {
		case <-ctx.Done():
			return d, err
		case <-time.After(sessionPause):
		}
	}
}

// only takes one supplier.
func only(supplier string) func(*gateway.Session) (string, error) {
	return func(s *gateway.Session) (string, error) {
		if !slices.Contains(s.Suppliers, supplier) {
			return "", errNotInSession
		}
		return supplier, nil
	}
}

// isOver reports a refusal because of the session (relayer_proxy 1: invalid, 6:
// unknown).
func isOver(err error) bool {
	var refusal *gateway.Refusal
	return errors.As(err, &refusal) && refusal.Codespace == "relayer_proxy" && (refusal.Code == 1 || refusal.Code == 6)
}
