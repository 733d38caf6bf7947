package raftfsm

import "github.com/raftminer/raftminer/chain"

// Kind tells commands apart in the log.
type Kind uint8

// The kinds. Values are stored in logs: never renumber or reuse them.
const (
	KindInit       Kind = 1
	KindOpenEpoch  Kind = 2
	KindCheckpoint Kind = 3
	KindSeal       Kind = 4
	KindIntend     Kind = 5
	KindResolve    Kind = 6
	KindAdvance    Kind = 7
	KindForget     Kind = 8
	KindAdmit      Kind = 9
	KindRetire     Kind = 10
	KindDrain      Kind = 11
	KindMark       Kind = 12
	KindCompare    Kind = 13
	KindArchived   Kind = 14
	KindAssign     Kind = 15
)

// CommandSet is the newest set of kinds that this build understands. A kind of a
// newer set is not proposed while a member's build knows only an older one: it
// would stop at the entry. Sets 5 to 8 have no kind of their own, see dated.
const (
	firstCommandSet = 1
	CommandSet      = 8
)

// since is the set that a kind came with.
func (k Kind) since() uint8 {
	switch {
	case k <= KindRetire:
		return firstCommandSet
	case k <= KindCompare:
		return 2
	case k <= KindArchived:
		return 3
	}
	return 4
}

// Command is one entry of the replicated log. Apply must depend on nothing but
// the state and the command: every replica has to arrive at the same bytes.
type Command interface {
	Kind() Kind
	apply(s *State) (Result, error)
}

// Init fixes what a cluster is, once. The same values again are accepted.
type Init struct {
	ClusterID  string `cbor:"1,keyasint"`
	Partitions int    `cbor:"2,keyasint"` // ingest partitions; cannot change later
}

// OpenEpoch makes Owner (node id # boot id) the only one whose commands count.
type OpenEpoch struct {
	Epoch Epoch  `cbor:"1,keyasint"`
	Owner string `cbor:"2,keyasint"`
}

// Checkpoint records how far active sessions have come. It never lowers a Seq
// and leaves sealed sessions alone.
type Checkpoint struct {
	Epoch    Epoch      `cbor:"1,keyasint"`
	Progress []Progress `cbor:"2,keyasint"`
	Height   int64      `cbor:"3,keyasint,omitempty"` // the newest block then
}

// Seal fixes the root of a session. The first root stands, unless Instead names it:
// its leaves are nowhere any more, and Root is that of those that are left.
type Seal struct {
	Epoch Epoch            `cbor:"1,keyasint"`
	Ref   chain.SessionRef `cbor:"2,keyasint"`
	Root  []byte           `cbor:"3,keyasint"`
	Count uint64           `cbor:"4,keyasint"`
	Sum   uint64           `cbor:"5,keyasint"`
	Seq   uint64           `cbor:"6,keyasint"`

	Height int64  `cbor:"7,keyasint,omitempty"` // of the block in which it was sealed
	Worth  uint64 `cbor:"8,keyasint,omitempty"` // uPOKT by the chain's prices; 0: not known
	Lost   uint64 `cbor:"9,keyasint,omitempty"` // relays that were published and are not in the tree

	Instead []byte `cbor:"10,keyasint,omitempty"` // the root that was sealed before, if that cannot be proven any more
}

// Intend decides on a transaction. The first intent of (batch, attempt) wins
// and is the one in the Result, whoever asks.
type Intend struct {
	Epoch  Epoch  `cbor:"1,keyasint"`
	Intent Intent `cbor:"2,keyasint"`
}

// Resolve records what became of an intent. Landed moves its sessions on; dead
// makes room for the next attempt.
type Resolve struct {
	Epoch   Epoch        `cbor:"1,keyasint"`
	Batch   string       `cbor:"2,keyasint"`
	Attempt uint32       `cbor:"3,keyasint"`
	Status  IntentStatus `cbor:"4,keyasint"`
	Code    uint32       `cbor:"5,keyasint,omitempty"`
	Reason  string       `cbor:"6,keyasint,omitempty"`
	Height  int64        `cbor:"7,keyasint,omitempty"`
}

// Advance moves sessions to what was observed or decided, all or none.
type Advance struct {
	Epoch       Epoch        `cbor:"1,keyasint"`
	Transitions []Transition `cbor:"2,keyasint"`
}

// Forget drops terminal sessions, and the intents that only they were in.
// Sessions that are not there are skipped, so it can be repeated.
type Forget struct {
	Epoch Epoch              `cbor:"1,keyasint"`
	Keys  []chain.SessionKey `cbor:"2,keyasint"`
}

// Kind implements Command.
func (Init) Kind() Kind { return KindInit }

// Kind implements Command.
func (OpenEpoch) Kind() Kind { return KindOpenEpoch }

// Kind implements Command.
func (Checkpoint) Kind() Kind { return KindCheckpoint }

// Kind implements Command.
func (Seal) Kind() Kind { return KindSeal }

// Kind implements Command.
func (Intend) Kind() Kind { return KindIntend }

// Kind implements Command.
func (Resolve) Kind() Kind { return KindResolve }

// Kind implements Command.
func (Advance) Kind() Kind { return KindAdvance }

// Kind implements Command.
func (Forget) Kind() Kind { return KindForget }

// newCommand is an empty command of a kind, to be filled by a decoder.
func newCommand(k Kind) (Command, bool) {
	switch k {
	case KindInit:
		return &Init{}, true
	case KindOpenEpoch:
		return &OpenEpoch{}, true
	case KindCheckpoint:
		return &Checkpoint{}, true
	case KindSeal:
		return &Seal{}, true
	case KindIntend:
		return &Intend{}, true
	case KindResolve:
		return &Resolve{}, true
	case KindAdvance:
		return &Advance{}, true
	case KindForget:
		return &Forget{}, true
	case KindAdmit:
		return &Admit{}, true
	case KindRetire:
		return &Retire{}, true
	case KindDrain:
		return &Drain{}, true
	case KindMark:
		return &Mark{}, true
	case KindCompare:
		return &Compare{}, true
	case KindArchived:
		return &Archived{}, true
	case KindAssign:
		return &Assign{}, true
	}
	return nil, false
}
