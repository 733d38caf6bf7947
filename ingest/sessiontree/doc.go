// Package sessiontree grows the sparse Merkle sum trie of one supplier in one
// session over a remote node store, and proves from it.
//
// A Tree collects relays in memory; Commit hands out everything the store must
// change, and Settle is called once the store has it. When a write failed or
// its outcome is unknown the Tree is thrown away and built again from the
// stored root: smt marks nodes persisted before they are written (poktroll
// pkg/relayer/session/sessiontree.go keeps its nodes in process for the same
// reason).
package sessiontree
