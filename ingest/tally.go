package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/fxamacker/cbor/v2"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
)

// Published is how many relays of a session a relayer has published in its life,
// replayed requests included.
type Published struct {
	Ref    chain.SessionRef
	Relays uint64
	Listed bool // the session, by an earlier Tell
}

// Tell says what a relayer has published of sessions that Redis may have lost relays
// of, and lists these sessions: other relayers tell of them, too, and the miners hear
// of those that they have nothing of.
func Tell(ctx context.Context, rdb redis.UniversalClient, keys Keys, relayer string, published []Published) error {
	_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range published {
			key := p.Ref.Key()
			hset := func(name, field string, value any) {
				pipe.HSet(ctx, name, field, value)
				pipe.PExpire(ctx, name, closedFor) // should nobody forget it
			}
			hset(keys.Tally(key), relayer, p.Relays)
			if p.Listed {
				continue
			}
			ref, err := cbor.Marshal(p.Ref)
			if err != nil {
				return err
			}
			hset(keys.Doubted(keys.Partition(key)), sessionField(key), ref)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell of published relays: %w", refusal(err))
	}
	return nil
}

// Told is how many relays of a session relayers say that they published, 0 if none
// of them had to.
func Told(ctx context.Context, rdb redis.UniversalClient, keys Keys, session chain.SessionKey) (sum uint64, _ error) {
	counts, err := rdb.HGetAll(ctx, keys.Tally(session)).Result()
	if err != nil {
		return 0, fmt.Errorf("read the tally of session %s: %w", session.SessionID, err)
	}
	for relayer, text := range counts {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("tally of session %s by %s: %w", session.SessionID, relayer, err)
		}
		sum += n
	}
	return sum, nil
}

// Doubted are the sessions that relayers told of, in no order; with an error, those of
// some partitions.
func Doubted(ctx context.Context, rdb redis.UniversalClient, keys Keys) (refs []chain.SessionRef, _ error) {
	lists := make([]*redis.MapStringStringCmd, keys.Partitions())
	_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for p := range lists {
			lists[p] = pipe.HGetAll(ctx, keys.Doubted(p))
		}
		return nil
	})
	for _, list := range lists {
		for _, value := range list.Val() {
			var ref chain.SessionRef
			if broken := cbor.Unmarshal([]byte(value), &ref); broken != nil {
				err = errors.Join(err, broken)
				continue
			}
			refs = append(refs, ref)
		}
	}
	if err != nil {
		err = fmt.Errorf("read the sessions in doubt: %w", err)
	}
	return refs, err
}
