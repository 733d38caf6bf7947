package relayproxy

import (
	"context"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

// Head knows the newest block. Height 0 means that none was seen yet.
type Head interface {
	Latest() chain.Block
	// Next waits until the head is above height.
	Next(ctx context.Context, height int64) (chain.Block, error)
}

// Sessions answers what the chain says about a session. Implementations cache:
// every relay asks.
type Sessions interface {
	// SharedParams are the shared module's params effective at height.
	SharedParams(ctx context.Context, height int64) (*sharedtypes.Params, error)
	// Session is the session of (application, service) that height lies in.
	Session(ctx context.Context, application, service string, height int64) (*sessiontypes.Session, error)
	// RingKeys are the compressed keys that may sign for application in the
	// session that ends at sessionEnd.
	RingKeys(ctx context.Context, application string, sessionEnd int64) ([][]byte, error)
}

// Services answers what a relay of a service is worth, effective at height,
// which is always a session's start.
type Services interface {
	// Difficulty is the 32-byte target a relay's hash must be below.
	Difficulty(ctx context.Context, service string, height int64) ([]byte, error)
	ComputeUnitsPerRelay(ctx context.Context, service string, height int64) (uint64, error)
}

// Meter keeps applications within what they can pay.
type Meter interface {
	// Reserve takes one relay out of a session's budget. It returns
	// meter.ErrOverBudget when there is none left, and meter.ErrUnavailable when
	// nobody can tell.
	Reserve(ctx context.Context, ref chain.SessionRef, windows chain.Windows) (meter.Charge, error)
}

// Seen remembers what was seen, on all relayers.
type Seen interface {
	// First reports whether nobody has seen key before, and remembers it for so long.
	First(ctx context.Context, key [32]byte, keep time.Duration) (bool, error)
}

// Verifier checks a relay signature against the expected ring.
type Verifier interface {
	Verify(msg [32]byte, sig []byte, expected [][]byte) error
}

// Signer signs the responses of one supplier.
type Signer interface {
	// Address is the supplier's operator address.
	Address() string
	// Sign signs the SHA-256 of msg: 64 bytes, r then s.
	Sign(msg []byte) ([]byte, error)
}

// Signers are the keys that are served here. They change while relays flow.
type Signers interface {
	// Signer is the key of a supplier, and the newest height at which a session may
	// start that it still serves; 0 is no limit.
	Signer(supplier string) (key Signer, until int64, ok bool)
}

// Publisher hands a mined relay to the miners. It returns nil only when the
// relay is in the stream, and ingest.ErrSessionClosed when the session's tree
// was sealed, so that the relay will not be paid.
type Publisher interface {
	Publish(ctx context.Context, relay ingest.MinedRelay) error
}
