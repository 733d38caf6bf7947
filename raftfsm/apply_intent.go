package raftfsm

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/raftminer/raftminer/chain"
)

func (c Intend) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if known := s.intent(c.Intent.Key()); known != nil {
		return Result{Intent: *known}, nil
	}
	if err := c.Intent.check(); err != nil {
		return Result{}, err
	}
	if err := s.checkAttempt(c.Intent); err != nil {
		return Result{}, err
	}
	for n, key := range c.Intent.SessionKeys() {
		if err := s.checkIntended(c.Intent.Kind, key, c.Intent.Sessions[n].Root); err != nil {
			return Result{}, err
		}
	}
	i := c.Intent
	i.Status, i.Code, i.Reason, i.Height = IntentPending, 0, "", 0
	s.intents.Set(&i)
	s.index.add(&i)
	return Result{Intent: i, Fresh: true}, nil
}

// check is what can be said of a proposed intent without the state.
func (i Intent) check() error {
	if i.Batch == "" || i.Attempt == 0 || !i.Kind.valid() || len(i.Sessions) == 0 || len(i.Tx) == 0 {
		return fmt.Errorf("%w: intent %s (%s) with %d sessions and %d tx bytes",
			ErrInvalid, i.Key(), i.Kind, len(i.Sessions), len(i.Tx))
	}
	if hash := sha256.Sum256(i.Tx); !bytes.Equal(hash[:], i.TxHash) {
		return fmt.Errorf("%w: intent %s has tx hash %x, its bytes have %x", ErrInvalid, i.Key(), i.TxHash, hash)
	}
	seen := make(map[string]bool, len(i.Sessions))
	for _, session := range i.Sessions {
		if seen[session.SessionID] {
			return fmt.Errorf("%w: intent %s names session %s twice", ErrInvalid, i.Key(), session.SessionID)
		}
		seen[session.SessionID] = true
	}
	return nil
}

// checkAttempt keeps attempts in a row: each needs the one before it dead.
func (s *State) checkAttempt(i Intent) error {
	if i.Attempt == 1 {
		return nil
	}
	previous := s.intent(IntentKey{Batch: i.Batch, Attempt: i.Attempt - 1})
	if previous == nil {
		return fmt.Errorf("%w: intent %s follows no attempt", ErrInvalid, i.Key())
	}
	if previous.Status != IntentDead {
		return fmt.Errorf("%w: %s is %s", ErrAttemptOpen, previous.Key(), previous.Status)
	}
	if previous.Kind != i.Kind || previous.Supplier != i.Supplier {
		return fmt.Errorf("%w: attempts of batch %s differ in kind or supplier", ErrInvalid, i.Batch)
	}
	return nil
}

// checkIntended makes sure that the effect is due for the session and that no
// other transaction already stands for it.
func (s *State) checkIntended(kind EffectKind, key chain.SessionKey, root []byte) error {
	known := s.session(key)
	if known == nil {
		return fmt.Errorf("%w: session %s of %s", ErrNotFound, key.SessionID, key.Supplier)
	}
	if known.Stage != kind.from() || !bytes.Equal(known.Root, root) {
		return fmt.Errorf("%w: %s of session %s of %s with root %x, it is %s with root %x",
			ErrConflict, kind, key.SessionID, key.Supplier, root, known.Stage, known.Root)
	}
	for _, k := range s.index.of[key] {
		if other := s.intent(k); other.Kind == kind && other.Status != IntentDead {
			return fmt.Errorf("%w: %s of session %s of %s stands in intent %s, which is %s",
				ErrConflict, kind, key.SessionID, key.Supplier, k, other.Status)
		}
	}
	return nil
}

func (c Resolve) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if c.Status != IntentLanded && c.Status != IntentDead {
		return Result{}, fmt.Errorf("%w: an intent cannot be resolved as %s", ErrInvalid, c.Status)
	}
	known := s.intent(IntentKey{Batch: c.Batch, Attempt: c.Attempt})
	if known == nil {
		return Result{}, fmt.Errorf("%w: intent %s/%d", ErrNotFound, c.Batch, c.Attempt)
	}
	if known.Status == c.Status {
		return Result{Intent: *known}, nil
	}
	if known.Status != IntentPending {
		return Result{}, fmt.Errorf("%w: intent %s is %s, not %s", ErrConflict, known.Key(), known.Status, c.Status)
	}
	resolved := *known
	resolved.Status, resolved.Code, resolved.Reason, resolved.Height = c.Status, c.Code, c.Reason, c.Height
	resolved.Tx = nil
	s.intents.Set(&resolved)
	if c.Status == IntentLanded {
		s.land(resolved)
	}
	return Result{Intent: resolved}, nil
}

// land moves the sessions of a landed intent on. A session that something else
// moved meanwhile (it expired, say) stays where it is.
func (s *State) land(i Intent) {
	for _, key := range i.SessionKeys() {
		known := s.session(key)
		if known == nil || known.Stage != i.Kind.from() {
			continue
		}
		moved := known.moved(Transition{Key: key, Stage: i.Kind.to(), Height: i.Height})
		s.sessions.Set(&moved)
	}
}
