package raftfsm

import "github.com/raftminer/raftminer/chain"

// Session is the replicated record of one (supplier, session). Records are
// never changed in place: a record that was handed out stays as it was.
type Session struct {
	Ref    chain.SessionRef `cbor:"1,keyasint"`
	Stage  Stage            `cbor:"2,keyasint"`
	Reason string           `cbor:"3,keyasint,omitempty"` // why it ended, for operators

	// The last known progress; once sealed, the sealed values.
	Seq   uint64 `cbor:"4,keyasint,omitempty"`
	Root  []byte `cbor:"5,keyasint,omitempty"`
	Count uint64 `cbor:"6,keyasint,omitempty"` // relays in the tree
	Sum   uint64 `cbor:"7,keyasint,omitempty"` // compute units in the tree

	ProofRequired ProofNeed `cbor:"8,keyasint,omitempty"`
	ClaimHeight   int64     `cbor:"9,keyasint,omitempty"`
	ProofHeight   int64     `cbor:"10,keyasint,omitempty"`
	EndedHeight   int64     `cbor:"11,keyasint,omitempty"` // when it became terminal
	Upokt         uint64    `cbor:"12,keyasint,omitempty"` // paid at settlement

	// Archives are the nodes that keep the leaves of the sealed tree, sorted.
	Archives []string `cbor:"13,keyasint,omitempty"`

	FirstHeight int64  `cbor:"14,keyasint,omitempty"` // when the group first heard of a relay
	SealHeight  int64  `cbor:"15,keyasint,omitempty"`
	EndedTime   int64  `cbor:"16,keyasint,omitempty"` // of the block at EndedHeight, unix seconds
	Worth       uint64 `cbor:"17,keyasint,omitempty"` // uPOKT that the tree is worth by the chain's prices; 0: not known
	Lost        uint64 `cbor:"18,keyasint,omitempty"` // relays that Redis lost before they could be claimed
}

// ProofNeed is the chain's verdict on whether a claim must be proved. It is
// unknown until the block that seeds it exists.
type ProofNeed uint8

// The three answers; in a Transition, ProofUndecided leaves the record as it is.
const (
	ProofUndecided   ProofNeed = 0
	ProofRequired    ProofNeed = 1
	ProofNotRequired ProofNeed = 2
)

// String is the word that operators see.
func (p ProofNeed) String() string {
	switch p {
	case ProofRequired:
		return "required"
	case ProofNotRequired:
		return "not required"
	}
	return "undecided"
}

// Progress is what a checkpoint says of one active session.
type Progress struct {
	Ref   chain.SessionRef `cbor:"1,keyasint"`
	Seq   uint64           `cbor:"2,keyasint"`
	Root  []byte           `cbor:"3,keyasint,omitempty"`
	Count uint64           `cbor:"4,keyasint,omitempty"`
	Sum   uint64           `cbor:"5,keyasint,omitempty"`
}

// Transition moves one session to a stage.
type Transition struct {
	Key           chain.SessionKey `cbor:"1,keyasint"`
	Stage         Stage            `cbor:"2,keyasint"`
	Reason        string           `cbor:"3,keyasint,omitempty"`
	Height        int64            `cbor:"4,keyasint,omitempty"` // of the block that shows it
	Upokt         uint64           `cbor:"5,keyasint,omitempty"`
	ProofRequired ProofNeed        `cbor:"6,keyasint,omitempty"`
	Time          int64            `cbor:"7,keyasint,omitempty"` // of that block, unix seconds
	Worth         uint64           `cbor:"8,keyasint,omitempty"` // uPOKT; 0 leaves what is known
	Lost          uint64           `cbor:"9,keyasint,omitempty"` // relays that Redis lost; 0 leaves what is known
}

// moved is s after t; the caller has checked that the edge exists.
func (s Session) moved(t Transition) Session {
	if t.ProofRequired != ProofUndecided {
		s.ProofRequired = t.ProofRequired
	}
	if t.Stage == s.Stage {
		return s
	}
	s.Stage = t.Stage
	s.Reason = t.Reason
	switch {
	case t.Stage == StageClaimed:
		s.ClaimHeight = t.Height
	case t.Stage == StageProved:
		s.ProofHeight = t.Height
	case t.Stage.Terminal():
		s.EndedHeight, s.EndedTime = t.Height, t.Time
		s.Upokt = t.Upokt
		if t.Worth > 0 {
			s.Worth = t.Worth
		}
		if t.Lost > 0 {
			s.Lost = t.Lost
		}
	}
	return s
}
