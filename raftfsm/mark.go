package raftfsm

import (
	"crypto/sha256"
	"fmt"
)

// Mark asks every replica to hash its state as it is at this entry. It changes
// nothing.
type Mark struct {
	Epoch Epoch `cbor:"1,keyasint"`
}

// Compare tells what the leader's hash at a mark was. A replica that got another
// one stops. It changes nothing.
type Compare struct {
	Epoch Epoch  `cbor:"1,keyasint"`
	Index uint64 `cbor:"2,keyasint"` // of the mark
	Hash  []byte `cbor:"3,keyasint"`
	// Commands is the command set of the leader's build. One that knows more may
	// write the same state in other bytes, so only equal builds compare.
	Commands uint8 `cbor:"4,keyasint"`
}

// Kind implements Command.
func (Mark) Kind() Kind { return KindMark }

// Kind implements Command.
func (Compare) Kind() Kind { return KindCompare }

func (c Mark) apply(s *State) (Result, error) { return Result{}, s.checkEpoch(c.Epoch) }

func (c Compare) apply(s *State) (Result, error) {
	if err := s.checkEpoch(c.Epoch); err != nil {
		return Result{}, err
	}
	if len(c.Hash) != sha256.Size {
		return Result{}, fmt.Errorf("%w: hash of %d bytes", ErrInvalid, len(c.Hash))
	}
	return Result{}, nil
}
