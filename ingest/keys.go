package ingest

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/raftminer/raftminer/chain"
)

// Partition is the ingest unit that holds the streams and trees of key. The
// hash is part of the stored data's layout: it must never change.
func Partition(key chain.SessionKey, n int) int {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(key.Supplier)
	_, _ = d.WriteString("/")
	_, _ = d.WriteString(key.SessionID)
	return int(d.Sum64() % uint64(n))
}

// Keys builds every Redis key of this package. All keys of partition K carry
// the hash tag {pK}, so that one script may touch them together in a Cluster;
// the namespace holds chain and cluster, so that two networks cannot meet.
type Keys struct {
	namespace  string
	partitions int
}

// NewKeys takes the number of partitions that the cluster was bootstrapped with.
func NewKeys(base, chainID, clusterID string, partitions int) Keys {
	part := func(s string) string { return url.QueryEscape(s) + ":" } // no braces, no colons
	return Keys{namespace: part(base) + part(chainID) + part(clusterID), partitions: max(partitions, 1)}
}

// Partitions is the number of partitions.
func (k Keys) Partitions() int { return k.partitions }

// Namespace is the prefix of every key.
func (k Keys) Namespace() string { return k.namespace }

// Partition is the partition of a session.
func (k Keys) Partition(key chain.SessionKey) int { return Partition(key, k.partitions) }

// Stream holds the mined relays of partition p.
func (k Keys) Stream(p int) string { return k.tagged(p, "relays") }

// Meta is a hash: epoch and owner (the fence), cursor (last stream id that is
// in the trees), partitions, and the marker that flush scripts write first.
func (k Keys) Meta(p int) string { return k.tagged(p, "meta") }

// Heads is a hash from session to its head record.
func (k Keys) Heads(p int) string { return k.tagged(p, "heads") }

// Closed is a sorted set of the sessions that take no more relays; the scores are
// closings.
func (k Keys) Closed(p int) string { return k.tagged(p, "closed") }

// Nodes is the hash of a session's tree nodes.
func (k Keys) Nodes(key chain.SessionKey) string {
	return k.tagged(k.Partition(key), "nodes:"+sessionField(key))
}

// Meter is the hash of what each relayer holds of a session's budget.
func (k Keys) Meter(key chain.SessionKey) string {
	return k.tagged(k.Partition(key), "meter:"+sessionField(key))
}

// Tally is the hash of how many relays each relayer published in a session, of which
// Redis may have lost some.
func (k Keys) Tally(key chain.SessionKey) string {
	return k.tagged(k.Partition(key), "tally:"+sessionField(key))
}

// Doubted is a hash from each session that has a Tally to its reference.
func (k Keys) Doubted(p int) string { return k.tagged(p, "doubted") }

// MeterSession is the session of a key that Meter made.
func MeterSession(key string) chain.SessionKey {
	_, field, _ := strings.Cut(key, ":meter:")
	return sessionOf(field)
}

func (k Keys) tagged(p int, name string) string {
	return k.namespace + "{p" + strconv.Itoa(p) + "}:" + name
}

// sessionField names a session within its partition's hashes. Neither bech32
// addresses nor hex session ids hold a slash.
func sessionField(key chain.SessionKey) string { return key.Supplier + "/" + key.SessionID }

// sessionOf is the inverse of sessionField.
func sessionOf(field string) chain.SessionKey {
	supplier, session, _ := strings.Cut(field, "/")
	return chain.SessionKey{Supplier: supplier, SessionID: session}
}
