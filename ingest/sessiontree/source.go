package sessiontree

import (
	"context"
	"errors"
	"fmt"
)

// Digest is the field name of a record: the hash part of its smt digest. The
// sum and count that smt appends to it follow from the record's own bytes.
type Digest [32]byte

// Source reads stored records by their digests: pages, and leaves that are alone.
// Nodes answers in the order asked, nil for one that is not stored. It is called from
// one goroutine at a time.
type Source interface {
	Nodes(ctx context.Context, digests []Digest) ([][]byte, error)
}

// Store is a Source that can look for a leaf in all of its records, nil if there is
// none. Only a proof needs that, for a leaf or two.
type Store interface {
	Source
	Leaf(ctx context.Context, digest Digest) ([]byte, error)
}

var (
	// ErrNodeMissing: the store lost a node that a stored root refers to.
	ErrNodeMissing = errors.New("tree node missing from the store")
	// ErrCorrupt: a stored node does not decode.
	ErrCorrupt = errors.New("tree node corrupt")
)

// fetch reads nodes and refuses gaps.
func fetch(ctx context.Context, src Source, digests []Digest) ([][]byte, error) {
	nodes, err := src.Nodes(ctx, digests)
	if err != nil {
		return nil, err
	}
	for i, node := range nodes {
		if len(node) == 0 {
			return nil, fmt.Errorf("%w: %x", ErrNodeMissing, digests[i])
		}
	}
	return nodes, nil
}

// guard turns a panic of smt (it panics on bytes it cannot parse) into err.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, r)
	}
}
