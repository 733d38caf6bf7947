package sessiontree

import "context"

// Memory is a Source of nodes that are all in memory.
type Memory map[Digest][]byte

// NewMemory holds what a delta sets.
func NewMemory(delta Delta) Memory {
	m := make(Memory, len(delta.Sets))
	for _, n := range delta.Sets {
		m[n.Digest] = n.Data
	}
	return m
}

// Nodes implements Source.
func (m Memory) Nodes(_ context.Context, digests []Digest) ([][]byte, error) {
	nodes := make([][]byte, len(digests))
	for i, d := range digests {
		nodes[i] = m[d]
	}
	return nodes, nil
}
