package chain

import (
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

// Block is what the rest of the program needs to know of a committed block.
type Block struct {
	Height int64
	Hash   []byte
	Time   time.Time
}

// SessionKey names the unit that is claimed and paid: one supplier in one
// session. Two suppliers of the same session have a tree and a claim each.
type SessionKey struct {
	Supplier  string `cbor:"1,keyasint"`
	SessionID string `cbor:"2,keyasint"`
}

// Compare orders keys by supplier, then session id. Everything that leaves a
// map is sorted with it before it is replicated, hashed, batched or printed.
func (k SessionKey) Compare(other SessionKey) int {
	if c := compareStrings(k.Supplier, other.Supplier); c != 0 {
		return c
	}
	return compareStrings(k.SessionID, other.SessionID)
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// SessionRef is a session as one supplier sees it: the five fields of the
// on-chain session header, plus the supplier.
type SessionRef struct {
	Supplier    string `cbor:"1,keyasint"`
	SessionID   string `cbor:"2,keyasint"`
	Service     string `cbor:"3,keyasint"`
	Application string `cbor:"4,keyasint"`
	StartHeight int64  `cbor:"5,keyasint"` // first block of the session
	EndHeight   int64  `cbor:"6,keyasint"` // last block of the session
}

// NewSessionRef joins a supplier and a session header.
func NewSessionRef(supplier string, h *sessiontypes.SessionHeader) SessionRef {
	return SessionRef{
		Supplier:    supplier,
		SessionID:   h.GetSessionId(),
		Service:     h.GetServiceId(),
		Application: h.GetApplicationAddress(),
		StartHeight: h.GetSessionStartBlockHeight(),
		EndHeight:   h.GetSessionEndBlockHeight(),
	}
}

// Key is the identity of r.
func (r SessionRef) Key() SessionKey {
	return SessionKey{Supplier: r.Supplier, SessionID: r.SessionID}
}

// Header is the on-chain form of r, as claims and proofs carry it.
func (r SessionRef) Header() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress:      r.Application,
		ServiceId:               r.Service,
		SessionId:               r.SessionID,
		SessionStartBlockHeight: r.StartHeight,
		SessionEndBlockHeight:   r.EndHeight,
	}
}
