package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
)

// Position is a place in a partition's stream.
type Position = streamID

// Compare orders positions of one stream.
func (id streamID) Compare(other streamID) int { return id.compare(other) }

// Sight is what a relayer sees of a partition.
type Sight struct {
	Instance string   // another one when another server answers, or the same after a restart
	Last     Position // the newest relay that was ever in the stream
	Cursor   Position // relays up to here are in stored trees

	// Of the sessions that were looked for:
	Safe    []chain.SessionKey          // nobody needs their relays from relayers any more
	Wanted  map[chain.SessionKey]Asking // their relays are asked for again
	Doubted []chain.SessionKey          // a relayer thinks that Redis lost some of their relays
}

// Look reads every partition, by its number. sessions are looked for where they
// belong.
func Look(ctx context.Context, rdb redis.UniversalClient, keys Keys, sessions []chain.SessionKey) ([]Sight, error) {
	asked := make([][]chain.SessionKey, keys.Partitions())
	for _, key := range sessions {
		p := keys.Partition(key)
		asked[p] = append(asked[p], key)
	}
	sights := make([]Sight, keys.Partitions())
	servers, err := serversOf(ctx, rdb, keys)
	if err != nil {
		return nil, err
	}
	for server, parts := range servers {
		if err := lookAt(ctx, server, keys, parts, asked, sights); err != nil {
			return nil, fmt.Errorf("look at partitions %v: %w", parts, err)
		}
	}
	return sights, nil
}

// serversOf is which server to ask about which partitions.
func serversOf(ctx context.Context, rdb redis.UniversalClient, keys Keys) (map[redis.Cmdable][]int, error) {
	servers := make(map[redis.Cmdable][]int)
	for p := range keys.Partitions() {
		var server redis.Cmdable = rdb
		if cluster, ok := rdb.(*redis.ClusterClient); ok {
			master, err := cluster.MasterForKey(ctx, keys.Meta(p))
			if err != nil {
				return nil, fmt.Errorf("master of partition %d: %w", p, err)
			}
			server = master
		}
		servers[server] = append(servers[server], p)
	}
	return servers, nil
}

func lookAt(ctx context.Context, server redis.Cmdable, keys Keys, parts []int, asked [][]chain.SessionKey, sights []Sight) error {
	instance, err := instanceOf(ctx, server)
	if err != nil {
		return err
	}
	cursors := make(map[int]*redis.StringCmd)
	streams := make(map[int]*redis.XInfoStreamCmd)
	doubted := make(map[int]*redis.MapStringStringCmd)
	scores := make(map[chain.SessionKey]*redis.FloatCmd)
	_, _ = server.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each answer has its error
		for _, p := range parts {
			cursors[p] = pipe.HGet(ctx, keys.Meta(p), "cursor")
			streams[p] = pipe.XInfoStream(ctx, keys.Stream(p))
			doubted[p] = pipe.HGetAll(ctx, keys.Doubted(p))
			for _, session := range asked[p] {
				scores[session] = pipe.ZScore(ctx, keys.Closed(p), sessionField(session))
			}
		}
		return nil
	})
	for _, p := range parts {
		sights[p].Instance = instance
		if sights[p].Cursor, err = cursorOf(cursors[p]); err != nil {
			return err
		}
		if sights[p].Last, err = lastOf(streams[p]); err != nil {
			return err
		}
		if err := doubted[p].Err(); err != nil {
			return err
		}
		for _, session := range asked[p] {
			if _, is := doubted[p].Val()[sessionField(session)]; is {
				sights[p].Doubted = append(sights[p].Doubted, session)
			}
			score, err := scores[session].Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			sights[p].take(session, closing(score)) // 0 for one that is open
		}
	}
	return nil
}

// take notes what a closing says about the relays of a session.
func (s *Sight) take(session chain.SessionKey, c closing) {
	switch since, asked := c.asked(); {
	case asked:
		if s.Wanted == nil {
			s.Wanted = make(map[chain.SessionKey]Asking)
		}
		s.Wanted[session] = since
	case c.final():
		s.Safe = append(s.Safe, session)
	}
}

// instanceOf tells lives of servers apart: the run id is new after every start,
// the replication id after every failover.
func instanceOf(ctx context.Context, server redis.Cmdable) (string, error) {
	text, err := server.Info(ctx).Result()
	if err != nil {
		return "", err
	}
	info := infoFields(text)
	return info["run_id"] + "/" + info["master_replid"], nil
}

func cursorOf(answer *redis.StringCmd) (Position, error) {
	text, err := answer.Result()
	if errors.Is(err, redis.Nil) {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	return parseStreamID(text)
}

func lastOf(answer *redis.XInfoStreamCmd) (Position, error) {
	info, err := answer.Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	return parseStreamID(info.LastGeneratedID)
}
