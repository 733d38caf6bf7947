package sessiontree

import (
	"context"
	"errors"
	"fmt"
)

// Node is a trie node as stored.
type Node struct {
	Digest Digest
	Data   []byte
}

// store is the kvstore.MapStore under a growing trie: reads come from compact
// copies, then from the source; writes are collected for the next Delta.
type store struct {
	src     Source
	ctx     context.Context // of the Tree call in progress: smt's store has no context of its own
	known   *table
	sets    []Node
	deletes []Digest
}

func newStore(src Source) *store {
	return &store{src: src, ctx: context.Background(), known: newTable()}
}

func (s *store) Get(key []byte) ([]byte, error) {
	d := digestOf(key)
	if node, ok := s.known.get(d); ok {
		return node, nil
	}
	nodes, err := fetch(s.ctx, s.src, []Digest{d})
	if err != nil {
		return nil, err
	}
	return s.learn(d, nodes[0])
}

func (s *store) learn(d Digest, node []byte) ([]byte, error) {
	if !validNode(node) {
		return nil, fmt.Errorf("%w: %x", ErrCorrupt, d)
	}
	return s.known.put(d, node), nil
}

func (s *store) Set(key, value []byte) error {
	s.sets = append(s.sets, Node{Digest: digestOf(key), Data: value})
	return nil
}

func (s *store) Delete(key []byte) error {
	s.deletes = append(s.deletes, digestOf(key))
	return nil
}

// Len and ClearAll complete the interface; smt itself calls neither.
func (s *store) Len() (int, error) { return len(s.known.slots), nil }

func (s *store) ClearAll() error {
	return errors.New("a session's stored nodes are removed by its owner only")
}

// orphans are the deletes that are not written again by the same commit: a
// duplicate leaf orphans a node and sets the same digest once more.
func (s *store) orphans() []Digest {
	if len(s.deletes) == 0 {
		return nil
	}
	written := make(map[Digest]struct{}, len(s.sets))
	for i := range s.sets {
		written[s.sets[i].Digest] = struct{}{}
	}
	kept := s.deletes[:0]
	for _, d := range s.deletes {
		if _, again := written[d]; !again {
			kept = append(kept, d)
		}
	}
	return kept
}
