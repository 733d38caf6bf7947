package sessiontree

import "context"

// Memory is a Store of nodes that are all in memory, each leaf by itself.
type Memory map[Digest][]byte

// NewMemory holds what a delta sets.
func NewMemory(delta Delta) Memory {
	m := make(Memory, delta.Count)
	for _, n := range delta.Sets {
		if n.Data[0] != kindSheaf {
			m[n.Digest] = n.Data
		}
		for leaf := range leavesOf(n) {
			m[leaf.Digest] = leaf.Data
		}
	}
	return m
}

// Leaf implements Store.
func (m Memory) Leaf(_ context.Context, digest Digest) ([]byte, error) { return m[digest], nil }

// Nodes implements Store.
func (m Memory) Nodes(_ context.Context, digests []Digest) ([][]byte, error) {
	nodes := make([][]byte, len(digests))
	for i, d := range digests {
		nodes[i] = m[d]
	}
	return nodes, nil
}
