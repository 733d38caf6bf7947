package claims

import (
	"context"
	"crypto/sha256"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// Feed tells the height.
type Feed interface {
	Latest() chain.Block
	Next(ctx context.Context, height int64) (chain.Block, error)
}

// Observer reads what the chain decided.
type Observer interface {
	ClaimsEndingAt(ctx context.Context, sessionEnd, height int64) (map[chain.SessionKey]prooftypes.Claim, error)
	TxResults(ctx context.Context, height int64) (map[[sha256.Size]byte]chain.TxResult, error)
	Settlements(ctx context.Context, height int64) ([]chain.Settlement, error)
}

// Rules are the chain's answers that a plan needs.
type Rules interface {
	Windows(ctx context.Context, sessionEnd int64) (chain.Windows, error)
	BlockAt(ctx context.Context, height int64) (chain.Block, error)
	ClaimWorth(ctx context.Context, ref chain.SessionRef, root []byte) (chain.Worth, error)
	ProofRequired(ctx context.Context, ref chain.SessionRef, root []byte) (bool, error)
}

// Sender puts transactions on chain.
type Sender interface {
	MinGasPrice(ctx context.Context) (upokt float64, err error)
	SignTx(ctx context.Context, key *chain.SupplierKey, draft chain.TxDraft) ([]byte, error)
	Simulate(ctx context.Context, tx []byte) (gas uint64, err error)
	Broadcast(ctx context.Context, tx []byte) error
}

// Sequences order the transactions of a supplier where the chain wants that.
type Sequences interface {
	Sequence(ctx context.Context, address string, height int64) (uint64, error)
	SequenceOf(tx []byte) (sequence uint64, ordered bool)
}

// Chain is all of the chain that this package uses; *chain.Client is one.
type Chain interface {
	Observer
	Rules
	Sender
	Sequences
}

// Keys are those of suppliers, which come and go; chain.Keys are some.
type Keys interface {
	Key(supplier string) (*chain.SupplierKey, bool)
}

// Log is the replicated state: the only memory of this package.
type Log interface {
	Apply(ctx context.Context, cmd raftfsm.Command) (raftfsm.Result, error)
	VerifyLeader(ctx context.Context) error
	View(f func(*raftfsm.State))
	Voters() int
}

// Trees are the session trees of all partitions, whichever member holds them.
type Trees interface {
	Heads(ctx context.Context) []ingest.Head // stored; those that cannot be read now are left out
	// Seal fails for as long as relays may come again that Redis lost, unless now is set.
	Seal(ctx context.Context, key chain.SessionKey, now bool) (ingest.Head, error)
	Prove(ctx context.Context, key chain.SessionKey, path []byte) ([]byte, error)
	Forget(ctx context.Context, key chain.SessionKey) error
	// Incomplete says that Redis does not have all leaves of a sealed root.
	Incomplete(key chain.SessionKey, root []byte) bool
	// Told is how many relays relayers say that they published, 0 unless Redis may
	// have lost some.
	Told(ctx context.Context, key chain.SessionKey) (uint64, error)
	// Doubted are the sessions that Redis may have lost relays of, even all; those that
	// cannot be read now are left out.
	Doubted(ctx context.Context) []chain.SessionRef
}
