package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// PartitionInfo is what Redis holds of a partition, for operators.
type PartitionInfo struct {
	Partition int    `json:"partition"`
	Epoch     string `json:"epoch"` // of the fence; empty: never owned
	Owner     string `json:"owner"`
	Cursor    string `json:"cursor"`  // relays up to here are in stored trees
	Newest    string `json:"newest"`  // last relay that entered the stream
	Entries   int64  `json:"entries"` // of the stream, stored or not
	Waiting   bool   `json:"waiting"` // relays after the cursor
	Sessions  int    `json:"sessions"`
	Closed    int64  `json:"closed"`
	Heads     []Head `json:"-"` // by supplier and session
}

// Inspect reads every partition and changes nothing.
func Inspect(ctx context.Context, rdb redis.UniversalClient, keys Keys) ([]PartitionInfo, error) {
	var infos []PartitionInfo
	for p := range keys.Partitions() {
		info, err := inspectPartition(ctx, rdb, keys, p)
		if err != nil {
			return nil, fmt.Errorf("inspect partition %d: %w", p, err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func inspectPartition(ctx context.Context, rdb redis.UniversalClient, keys Keys, p int) (info PartitionInfo, err error) {
	var meta, heads *redis.MapStringStringCmd
	var stream *redis.XInfoStreamCmd
	var closed *redis.IntCmd
	_, _ = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each answer has its error
		meta, heads = pipe.HGetAll(ctx, keys.Meta(p)), pipe.HGetAll(ctx, keys.Heads(p))
		stream, closed = pipe.XInfoStream(ctx, keys.Stream(p)), pipe.ZCard(ctx, keys.Closed(p))
		return nil
	})
	if err := errors.Join(meta.Err(), heads.Err(), closed.Err()); err != nil {
		return info, err
	}
	last, err := lastOf(stream)
	if err != nil {
		return info, err
	}
	cursor := Position{}
	if text := meta.Val()["cursor"]; text != "" {
		if cursor, err = parseStreamID(text); err != nil {
			return info, err
		}
	}
	info = PartitionInfo{
		Partition: p, Epoch: meta.Val()["epoch"], Owner: meta.Val()["owner"], Cursor: cursor.String(), Newest: last.String(),
		Waiting: cursor.compare(last) < 0, Closed: closed.Val(),
	}
	if stream.Err() == nil {
		info.Entries = stream.Val().Length
	}
	for _, stored := range heads.Val() {
		head, err := decodeHead([]byte(stored))
		if err != nil {
			return info, err
		}
		info.Heads = append(info.Heads, head)
	}
	slices.SortFunc(info.Heads, func(a, b Head) int { return a.Ref.Key().Compare(b.Ref.Key()) })
	info.Sessions = len(info.Heads)
	return info, nil
}

// TreeInfo is what Redis holds of one tree.
type TreeInfo struct {
	Nodes  int64  // stored
	Bytes  int64  // of memory
	Leaves uint64 // whose bytes are what their path says
	Whole  bool   // they make the root of the head
}

// InspectTree reads a whole tree and builds it again in memory.
func InspectTree(ctx context.Context, rdb redis.UniversalClient, keys Keys, head Head) (info TreeInfo, err error) {
	key := head.Ref.Key()
	if info.Nodes, err = rdb.HLen(ctx, keys.Nodes(key)).Result(); err != nil {
		return info, fmt.Errorf("count nodes: %w", err)
	}
	if info.Bytes, err = rdb.MemoryUsage(ctx, keys.Nodes(key)).Result(); err != nil && !errors.Is(err, redis.Nil) {
		return info, fmt.Errorf("memory of nodes: %w", err)
	}
	tree := sessiontree.New(nil)
	for relay, err := range Leaves(ctx, rdb, keys, key, head.Weight) {
		if err != nil {
			return info, err
		}
		if _, err := tree.Add(sessiontree.Path(relay), relay, head.Weight); err != nil {
			return info, err
		}
	}
	delta, err := tree.Commit()
	info.Leaves, info.Whole = delta.Count, string(delta.Root) == string(head.Root)
	return info, err
}

// Kinds of keys.
const (
	KindStream = "stream"
	KindMeta   = "meta"
	KindHeads  = "heads"
	KindClosed = "closed"
	KindNodes  = "nodes"
	KindMeter  = "meter"
	KindTally  = "tally"
	KindAnswer = "answer"    // of the chain, which relayers share
	KindSeen   = "simulated" // simulated relays that were served
	KindOther  = "other"
)

// KeyInfo is one key of the namespace.
type KeyInfo struct {
	Key  string
	Kind string
}

// AllKeys lists the keys of the namespace by name.
func AllKeys(ctx context.Context, rdb redis.UniversalClient, keys Keys) ([]KeyInfo, error) {
	var mu sync.Mutex // masters of a Cluster are asked side by side
	var found []KeyInfo
	scan := func(ctx context.Context, node redis.Cmdable) error {
		names := node.Scan(ctx, 0, keys.Namespace()+"*", scanCount).Iterator()
		for names.Next(ctx) {
			mu.Lock()
			found = append(found, KeyInfo{Key: names.Val(), Kind: keys.kindOf(names.Val())})
			mu.Unlock()
		}
		return names.Err()
	}
	var err error
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
	} else {
		err = scan(ctx, rdb)
	}
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Key < found[j].Key })
	return slices.CompactFunc(found, func(a, b KeyInfo) bool { return a.Key == b.Key }), nil // SCAN may say one twice
}

func (k Keys) kindOf(key string) string {
	name := strings.TrimPrefix(key, k.namespace)
	if _, tagged, ok := strings.Cut(name, "}:"); ok {
		name = tagged
	}
	switch name {
	case "relays":
		return KindStream
	case "doubted":
		return KindTally
	case KindMeta, KindHeads, KindClosed:
		return name
	}
	kind, _, several := strings.Cut(name, ":")
	if several && slices.Contains([]string{KindNodes, KindMeter, KindTally, KindAnswer, KindSeen}, kind) {
		return kind
	}
	return KindOther
}

// RemoveAll removes every key of the namespace: relays, trees and fences.
func RemoveAll(ctx context.Context, rdb redis.UniversalClient, keys Keys) (removed int, err error) {
	all, err := AllKeys(ctx, rdb, keys)
	if err != nil {
		return 0, err
	}
	for _, k := range all {
		n, err := rdb.Unlink(ctx, k.Key).Result()
		if err != nil {
			return removed, fmt.Errorf("remove %s: %w", k.Key, err)
		}
		removed += int(n)
	}
	return removed, nil
}

// Entered is when the relay at a position entered the stream, by Redis's clock.
func Entered(position string) (time.Time, bool) {
	id, err := parseStreamID(position)
	return time.UnixMilli(int64(id.ms)), err == nil && id.ms > 0
}

// FindHead looks a session up among what Inspect brought.
func FindHead(infos []PartitionInfo, key chain.SessionKey) (Head, bool) {
	for _, info := range infos {
		for _, h := range info.Heads {
			if h.Ref.Key() == key {
				return h, true
			}
		}
	}
	return Head{}, false
}
