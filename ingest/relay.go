package ingest

import (
	"errors"

	"github.com/raftminer/raftminer/chain"
)

var (
	// ErrSessionClosed: the miner has closed this session; the relay did not
	// enter the stream and will not be paid.
	ErrSessionClosed = errors.New("session closed by the miner")
	// ErrFenced: a newer epoch (or another owner of the same epoch) holds the
	// fence. Nothing was written; this owner must stop.
	ErrFenced = errors.New("fenced by another owner")
	// ErrUnknownSession: no head of that session is in Redis.
	ErrUnknownSession = errors.New("unknown session")
	// ErrStoreFull: Redis refused the write because it is at maxmemory.
	ErrStoreFull = errors.New("redis is out of memory")
	// ErrReadOnly: the Redis we talk to is a replica or refuses writes.
	ErrReadOnly = errors.New("redis is read-only")
	// ErrPartitions: the data was written with another number of partitions.
	ErrPartitions = errors.New("redis holds data for another number of partitions")
	// errStale: the stored cursor or head is not the one this owner built on.
	errStale = errors.New("stored state has moved")
	// errLate: a relay was found in the stream of a session that is sealed.
	errLate = errors.New("session is sealed")
	// ErrPublisherClosed: Publish was called after Close.
	ErrPublisherClosed = errors.New("publisher closed")
)

// MinedRelay is one leaf to be: a served relay that met the difficulty.
type MinedRelay struct {
	Supplier     string // operator address
	SessionID    string
	ComputeUnits uint64 // weight of the leaf: the service's compute units per relay at session start
	Relay        []byte // marshalled poktroll Relay, response payload nil; not to be changed once published
}

// Ref is the session as the relay tells it. It takes decoding.
func (r MinedRelay) Ref() (chain.SessionRef, error) { return refOf(r.Relay) }

// Key is the (supplier, session) whose tree r belongs to.
func (r MinedRelay) Key() chain.SessionKey {
	return chain.SessionKey{Supplier: r.Supplier, SessionID: r.SessionID}
}
