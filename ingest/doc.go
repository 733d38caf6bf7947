// Package ingest carries mined relays from the relayers to the session trees.
//
// Relayers publish into one Redis stream per partition; the owner of an epoch
// reads every stream from its cursor, adds the relays to in-memory tries and
// flushes nodes, heads and cursor in scripts that check its fence. Redis
// decides what is in a tree: a relay is acknowledged only once it is in the
// stream, and what is in the stream before a session is closed is in its tree.
package ingest
