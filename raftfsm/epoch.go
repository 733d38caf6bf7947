package raftfsm

import (
	"cmp"
	"fmt"
)

// Epoch names one ownership of the cluster's outside effects. The raft term
// alone can repeat after an offline recovery or a second bootstrap; recovery
// bumps the generation, so epochs only grow.
type Epoch struct {
	Generation uint64 `cbor:"1,keyasint"`
	Term       uint64 `cbor:"2,keyasint"`
}

// String is zero padded, so that epochs compare as strings in the order they
// compare as numbers. Redis scripts rely on it: Lua numbers are doubles.
func (e Epoch) String() string { return fmt.Sprintf("%06d.%012d", e.Generation, e.Term) }

// Compare orders epochs by generation, then term.
func (e Epoch) Compare(other Epoch) int {
	if c := cmp.Compare(e.Generation, other.Generation); c != 0 {
		return c
	}
	return cmp.Compare(e.Term, other.Term)
}

// IsZero says that no epoch was opened yet.
func (e Epoch) IsZero() bool { return e == Epoch{} }
