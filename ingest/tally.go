package ingest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
)

// Tell says how many relays of sessions a relayer has published in its life, replayed
// requests included. Relayers do so only once Redis may have lost some of them.
func Tell(ctx context.Context, rdb redis.UniversalClient, keys Keys, relayer string, published map[chain.SessionKey]uint64) error {
	_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for session, n := range published {
			pipe.HSet(ctx, keys.Tally(session), relayer, n)
			pipe.PExpire(ctx, keys.Tally(session), closedFor) // should nobody forget it
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
