package sessiontree

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/pokt-network/smt"
)

// proofStore hands smt the single nodes of what is stored; a proof changes
// nothing.
type proofStore struct {
	ctx   context.Context
	store Store
	known map[Digest][]byte
}

var errReadOnly = errors.New("a proof does not change the tree")

func (s proofStore) Get(key []byte) ([]byte, error) {
	d := Digest(key)
	if node, ok := s.known[d]; ok {
		return node, nil
	}
	records, err := s.store.Nodes(s.ctx, []Digest{d})
	if err != nil {
		return nil, err
	}
	record := records[0]
	if len(record) == 0 {
		if record, err = s.store.Leaf(s.ctx, d); err != nil {
			return nil, err
		}
	}
	if len(record) == 0 {
		return nil, fmt.Errorf("%w: %x", ErrNodeMissing, d)
	}
	nodes, err := Expand(Node{d, record})
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		s.known[n.Digest] = n.Data
	}
	return s.known[d], nil
}

func (proofStore) Set([]byte, []byte) error { return errReadOnly }
func (proofStore) Delete([]byte) error      { return errReadOnly }
func (proofStore) Len() (int, error)        { return 0, errReadOnly }
func (proofStore) ClearAll() error          { return errReadOnly }

// Prove marshals the compact proof that the leaf closest to path is in the
// stored tree of root, as poktroll's pkg/relayer/session/sessiontree.go does
// and x/proof verifies. The proof is checked against root before it is handed
// out: a wrong one is a slash.
func Prove(ctx context.Context, from Store, root, path []byte) (proof []byte, err error) {
	defer guard(&err)
	store := proofStore{ctx, from, make(map[Digest][]byte)}
	trie := smt.ImportSparseMerkleSumTrie(store, sha256.New(), root, smt.WithValueHasher(nil))
	closest, err := trie.ProveClosest(path)
	if err != nil {
		return nil, fmt.Errorf("prove closest leaf: %w", err)
	}
	short, err := smt.CompactClosestProof(closest, trie.Spec())
	if err != nil {
		return nil, fmt.Errorf("compact proof: %w", err)
	}
	valid, err := smt.VerifyCompactClosestProof(short, root, trie.Spec())
	if err != nil {
		return nil, fmt.Errorf("verify own proof: %w", err)
	}
	if !valid {
		return nil, fmt.Errorf("%w: the proof does not lead to root %x", ErrCorrupt, root)
	}
	return short.Marshal()
}
