// Package sessiontree grows the sparse Merkle sum trie of one supplier in one
// session over a remote store of sheaves and pages, and proves from it. Roots and
// proofs are those of smt; docs/adr/0017-trees-grow-in-pages.md says why the
// trie is not.
//
// A Tree collects relays in memory and reads nothing itself: it says what is
// Missing and takes it from Supply. Commit hands out everything the store must
// change, and Settle is called once the store has it. When a write failed or
// its outcome is unknown the Tree is thrown away and built again from the
// stored root.
package sessiontree
