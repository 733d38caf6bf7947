package raftfsm

import (
	"bytes"
	"fmt"

	"github.com/raftminer/raftminer/chain"
)

// maxRoot bounds a root: an SMST sum root is 32 bytes of hash, 8 of sum and 8 of
// count.
const maxRoot = 64

func (c Checkpoint) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	for _, p := range c.Progress {
		if err := checkRef(p.Ref); err != nil {
			return Result{}, err
		}
		if len(p.Root) > maxRoot {
			return Result{}, fmt.Errorf("%w: root of %d bytes", ErrInvalid, len(p.Root))
		}
	}
	for _, p := range c.Progress {
		s.checkpoint(p, c.Height)
	}
	return Result{}, nil
}

func (s *State) checkpoint(p Progress, height int64) {
	known := s.session(p.Ref.Key())
	if known != nil && (known.Stage != StageActive || p.Seq < known.Seq) {
		return
	}
	s.sessions.Set(&Session{
		Ref: p.Ref, Stage: StageActive, FirstHeight: firstHeight(known, height),
		Seq: p.Seq, Root: p.Root, Count: p.Count, Sum: p.Sum,
	})
}

// firstHeight is when the group heard of a session that it may know already.
func firstHeight(known *Session, height int64) int64 {
	if known != nil && known.FirstHeight > 0 {
		return known.FirstHeight
	}
	return height
}

func (c Seal) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if err := checkRef(c.Ref); err != nil {
		return Result{}, err
	}
	if len(c.Root) == 0 || len(c.Root) > maxRoot {
		return Result{}, fmt.Errorf("%w: root of %d bytes", ErrInvalid, len(c.Root))
	}
	known := s.session(c.Ref.Key())
	if known != nil && known.Stage != StageActive {
		if bytes.Equal(known.Root, c.Root) {
			return Result{}, nil
		}
		if err := s.checkInstead(c, known); err != nil {
			return Result{}, err
		}
	}
	s.sessions.Set(&Session{
		Ref: c.Ref, Stage: StageSealed, FirstHeight: firstHeight(known, c.Height), SealHeight: c.Height, Worth: c.Worth,
		Seq: c.Seq, Root: c.Root, Count: c.Count, Sum: c.Sum, Lost: c.Lost,
	})
	return Result{}, nil
}

// checkInstead refuses another root for a sealed session, unless it is to take the
// place of one that no member has archived and that no claim may land for.
func (s *State) checkInstead(c Seal, known *Session) error {
	if len(c.Instead) == 0 {
		return fmt.Errorf("%w: session %s of %s is %s with root %x, not %x",
			ErrConflict, c.Ref.SessionID, c.Ref.Supplier, known.Stage, known.Root, c.Root)
	}
	if members := s.ArchivesOf(*known); len(members) > 0 {
		return fmt.Errorf("%w: %v archived session %s of %s with root %x",
			ErrConflict, members, c.Ref.SessionID, c.Ref.Supplier, known.Root)
	}
	return s.checkIntended(EffectClaim, c.Ref.Key(), c.Instead)
}

func (c Advance) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	// A key may come twice: the second transition builds on the first. So the new
	// records are collected before any of them counts.
	after := make(map[chain.SessionKey]*Session, len(c.Transitions))
	for _, t := range c.Transitions {
		current := after[t.Key]
		if current == nil {
			current = s.session(t.Key)
		}
		if current == nil {
			return Result{}, fmt.Errorf("%w: session %s of %s", ErrNotFound, t.Key.SessionID, t.Key.Supplier)
		}
		if !canAdvance(current.Stage, t.Stage) {
			return Result{}, fmt.Errorf("%w: session %s of %s from %s to %s",
				ErrTransition, t.Key.SessionID, t.Key.Supplier, current.Stage, t.Stage)
		}
		moved := current.moved(t)
		after[t.Key] = &moved
	}
	for _, t := range c.Transitions {
		s.sessions.Set(after[t.Key])
	}
	return Result{}, nil
}

func (c Forget) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	for _, key := range c.Keys {
		if err := s.checkForget(key); err != nil {
			return Result{}, err
		}
	}
	for _, key := range c.Keys {
		s.forget(key)
	}
	return Result{}, nil
}

func (s *State) checkForget(key chain.SessionKey) error {
	known := s.session(key)
	if known == nil {
		return nil
	}
	if !known.Stage.Terminal() {
		return fmt.Errorf("%w: session %s of %s is %s, too early to forget",
			ErrTransition, key.SessionID, key.Supplier, known.Stage)
	}
	for _, k := range s.index.of[key] {
		if s.intent(k).Status == IntentPending {
			return fmt.Errorf("%w: session %s of %s is in pending intent %s",
				ErrAttemptOpen, key.SessionID, key.Supplier, k)
		}
	}
	return nil
}

// forget drops the session, and those of its intents that no session is left of.
func (s *State) forget(key chain.SessionKey) {
	known := s.session(key)
	if known == nil {
		return
	}
	s.sessions.Delete(known)
	for _, k := range append([]IntentKey(nil), s.index.of[key]...) {
		i := s.intent(k)
		if !s.anySession(i.SessionKeys()) {
			s.intents.Delete(i)
			s.index.remove(i)
		}
	}
}

func (s *State) anySession(keys []chain.SessionKey) bool {
	for _, key := range keys {
		if s.session(key) != nil {
			return true
		}
	}
	return false
}

func checkRef(r chain.SessionRef) error {
	if r.Supplier == "" || r.SessionID == "" {
		return fmt.Errorf("%w: session %q of supplier %q", ErrInvalid, r.SessionID, r.Supplier)
	}
	return nil
}
