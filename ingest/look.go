package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

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

// Seen says that the partition could be looked at.
func (s Sight) Seen() bool { return s.Instance != "" }

// Look reads every partition, by its number. sessions are looked for where they
// belong. A server that does not answer leaves its partitions unseen, and an error.
func Look(ctx context.Context, rdb redis.UniversalClient, keys Keys, sessions []chain.SessionKey) ([]Sight, error) {
	asked := make([][]chain.SessionKey, keys.Partitions())
	for _, key := range sessions {
		p := keys.Partition(key)
		asked[p] = append(asked[p], key)
	}
	sights := make([]Sight, keys.Partitions())
	servers, err := serversOf(ctx, rdb, keys)
	var mu sync.Mutex // guards err: servers are asked side by side
	var work sync.WaitGroup
	for server, parts := range servers {
		work.Go(func() {
			if failed := lookAt(ctx, server, keys, parts, asked, sights); failed != nil {
				mu.Lock()
				defer mu.Unlock()
				err = errors.Join(err, fmt.Errorf("look at partitions %v: %w", parts, failed))
			}
		})
	}
	work.Wait()
	return sights, err
}

// serversOf is which server to ask about which partitions; those in the error have none.
func serversOf(ctx context.Context, rdb redis.UniversalClient, keys Keys) (map[redis.Cmdable][]int, error) {
	var errs []error
	servers := make(map[redis.Cmdable][]int)
	for p := range keys.Partitions() {
		var server redis.Cmdable = rdb
		if cluster, ok := rdb.(*redis.ClusterClient); ok {
			master, err := cluster.MasterForKey(ctx, keys.Meta(p))
			if err != nil {
				errs = append(errs, fmt.Errorf("master of partition %d: %w", p, err))
				continue
			}
			server = master
		}
		servers[server] = append(servers[server], p)
	}
	return servers, errors.Join(errs...)
}

// lookAt fills in the sights of a server's partitions.
func lookAt(ctx context.Context, server redis.Cmdable, keys Keys, parts []int, asked [][]chain.SessionKey, sights []Sight) error {
	instance, err := instanceOf(ctx, server)
	if err != nil {
		return err
	}
	glances := make([]glance, len(parts))
	_, _ = server.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each answer has its error
		for i, p := range parts {
			glances[i] = glance{
				cursor: pipe.HGet(ctx, keys.Meta(p), "cursor"), stream: pipe.XInfoStream(ctx, keys.Stream(p)),
				doubted: pipe.HGetAll(ctx, keys.Doubted(p)), closings: make(map[chain.SessionKey]*redis.FloatCmd),
			}
			for _, session := range asked[p] {
				glances[i].closings[session] = pipe.ZScore(ctx, keys.Closed(p), sessionField(session))
			}
		}
		return nil
	})
	for i, p := range parts {
		seen, failed := glances[i].sight()
		if failed != nil {
			err = failed // the others hardly differ
			continue
		}
		seen.Instance = instance
		sights[p] = seen
	}
	return err
}

// glance is what a server answers about a partition.
type glance struct {
	cursor   *redis.StringCmd
	stream   *redis.XInfoStreamCmd
	doubted  *redis.MapStringStringCmd
	closings map[chain.SessionKey]*redis.FloatCmd
}

func (g glance) sight() (s Sight, err error) {
	if s.Cursor, err = cursorOf(g.cursor); err != nil {
		return s, err
	}
	if s.Last, err = lastOf(g.stream); err != nil {
		return s, err
	}
	if err := g.doubted.Err(); err != nil {
		return s, err
	}
	for session, answer := range g.closings {
		if _, is := g.doubted.Val()[sessionField(session)]; is {
			s.Doubted = append(s.Doubted, session)
		}
		score, err := answer.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return s, err
		}
		s.take(session, closing(score)) // 0 for one that is open
	}
	return s, nil
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
