// Package chain is the only place that talks to Pocket: session and window
// arithmetic, the block feed, cached queries, supplier keys, and building,
// signing and broadcasting transactions. It knows nothing of Redis or raft.
package chain
