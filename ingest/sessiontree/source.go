package sessiontree

import (
	"context"
	"errors"
	"fmt"
)

// Digest is the field name of a record: the hash part of its smt digest. The
// sum and count that smt appends to it follow from the record's own bytes.
type Digest [32]byte

// Store is where a proof is made from. Nodes reads records by their digests, pages and
// leaves that are alone, and answers in the order asked, nil for one that is not stored.
// Leaf looks for a leaf in all records, nil if there is none: a proof needs one or two.
type Store interface {
	Nodes(ctx context.Context, digests []Digest) ([][]byte, error)
	Leaf(ctx context.Context, digest Digest) ([]byte, error)
}

var (
	// ErrNodeMissing: the store lost a node that a stored root refers to.
	ErrNodeMissing = errors.New("tree node missing from the store")
	// ErrCorrupt: a stored node does not decode.
	ErrCorrupt = errors.New("tree node corrupt")
)

// guard turns a panic of smt (it panics on bytes it cannot parse) into err.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, r)
	}
}
