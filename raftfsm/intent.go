package raftfsm

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/raftminer/raftminer/chain"
)

// EffectKind is what a transaction does on chain.
type EffectKind uint8

// The effects. Values are stored: never renumber them.
const (
	EffectClaim EffectKind = 1
	EffectProof EffectKind = 2
)

// String is the lower-case name that operators see.
func (k EffectKind) String() string {
	switch k {
	case EffectClaim:
		return "claim"
	case EffectProof:
		return "proof"
	}
	return fmt.Sprintf("effect(%d)", uint8(k))
}

func (k EffectKind) valid() bool { return k == EffectClaim || k == EffectProof }

// from is the stage that a session must have for the effect to be intended.
func (k EffectKind) from() Stage {
	if k == EffectProof {
		return StageClaimed
	}
	return StageSealed
}

// to is the stage that the landed effect moves a session to.
func (k EffectKind) to() Stage {
	if k == EffectProof {
		return StageProved
	}
	return StageClaimed
}

// IntentStatus is what became of an intent.
type IntentStatus uint8

// The statuses. Values are stored: never renumber them.
const (
	IntentPending IntentStatus = 1 // may be broadcast, or may have been
	IntentLanded  IntentStatus = 2 // seen on chain
	IntentDead    IntentStatus = 3 // can never land any more
)

// String is the lower-case name that operators see.
func (s IntentStatus) String() string {
	switch s {
	case IntentPending:
		return "pending"
	case IntentLanded:
		return "landed"
	case IntentDead:
		return "dead"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Intent is a transaction that was decided on before it was broadcast. Whoever
// leads later sends these very bytes or nothing, which with the chain's
// unordered-transaction nonce makes each attempt happen at most once.
type Intent struct {
	Batch    string          `cbor:"1,keyasint"` // hex id of what is sent together
	Attempt  uint32          `cbor:"2,keyasint"` // from 1
	Kind     EffectKind      `cbor:"3,keyasint"`
	Supplier string          `cbor:"4,keyasint"`
	Sessions []IntentSession `cbor:"5,keyasint"`
	Timeout  int64           `cbor:"6,keyasint"`           // the tx timeout timestamp, unix ns
	Tx       []byte          `cbor:"7,keyasint,omitempty"` // signed bytes; dropped once resolved
	TxHash   []byte          `cbor:"8,keyasint,omitempty"` // SHA-256 of Tx
	Status   IntentStatus    `cbor:"9,keyasint"`
	Code     uint32          `cbor:"10,keyasint,omitempty"` // chain result code, when there is one
	Reason   string          `cbor:"11,keyasint,omitempty"`
	Height   int64           `cbor:"12,keyasint,omitempty"` // where it landed or was declared dead

	IntendedHeight int64 `cbor:"13,keyasint,omitempty"` // the newest block when it was decided on
}

// IntentSession is one message of the transaction.
type IntentSession struct {
	SessionID string `cbor:"1,keyasint"`
	Root      []byte `cbor:"2,keyasint"`
}

// Key is the identity of the intent.
func (i Intent) Key() IntentKey { return IntentKey{Batch: i.Batch, Attempt: i.Attempt} }

// SessionKeys lists the sessions of the intent in its own order.
func (i Intent) SessionKeys() []chain.SessionKey {
	keys := make([]chain.SessionKey, len(i.Sessions))
	for n, s := range i.Sessions {
		keys[n] = chain.SessionKey{Supplier: i.Supplier, SessionID: s.SessionID}
	}
	return keys
}

// IntentKey identifies an intent: attempts of a batch are told apart.
type IntentKey struct {
	Batch   string `cbor:"1,keyasint"`
	Attempt uint32 `cbor:"2,keyasint"`
}

// Compare orders keys by batch, then attempt.
func (k IntentKey) Compare(other IntentKey) int {
	if c := strings.Compare(k.Batch, other.Batch); c != 0 {
		return c
	}
	return cmp.Compare(k.Attempt, other.Attempt)
}

// String is batch/attempt.
func (k IntentKey) String() string { return fmt.Sprintf("%s/%d", k.Batch, k.Attempt) }
