package meter

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

var (
	//go:embed scripts/lease.lua
	leaseSource string
	leaseScript = redis.NewScript(leaseSource)
)

// keyLife is how long a meter outlives its last change: longer than any session.
// Relayers remove it earlier, when claims are closed, and the miners when the
// session has settled.
const keyLife = 24 * time.Hour

// Ledger is where relayers share budgets. It is safe for concurrent use.
type Ledger interface {
	// Lease notes what a relayer holds and lends it up to want more. After an error
	// it may have done so: the next call says again what is held.
	Lease(ctx context.Context, s Statement, want int64) (lent, left int64, err error)
	// Remove forgets the session.
	Remove(ctx context.Context, key chain.SessionKey) error
	// Partition is where the session is noted. Each may be away by itself.
	Partition(key chain.SessionKey) int
}

// Statement is what a relayer says about its part of a session's budget.
type Statement struct {
	Key         chain.SessionKey
	Application string
	Relayer     string
	Number      int64 // grows with every statement about the session
	Held        int64 // relays: free, in flight and served
	Used        int64 // of those, the served ones
	Budget      int64 // relays, for all relayers together
}

// RedisLedger keeps a hash a session, in the partition of its tree: one field a
// relayer, "number/held/used".
type RedisLedger struct {
	rdb  redis.UniversalClient
	keys ingest.Keys
}

// NewRedisLedger makes the ledger of a cluster.
func NewRedisLedger(rdb redis.UniversalClient, keys ingest.Keys) *RedisLedger {
	return &RedisLedger{rdb: rdb, keys: keys}
}

// Lease implements Ledger.
func (l *RedisLedger) Lease(ctx context.Context, s Statement, want int64) (lent, left int64, err error) {
	answer, err := leaseScript.Run(ctx, l.rdb, []string{l.keys.Meter(s.Key)},
		s.Relayer, s.Number, s.Held, s.Used, s.Budget, want, s.Application, keyLife.Milliseconds()).Int64Slice()
	if err == nil && len(answer) != 2 {
		err = errors.New("the answer is not a pair")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("lease a part of session %s: %w", s.Key.SessionID, err)
	}
	return answer[0], answer[1], nil
}

// Partition implements Ledger.
func (l *RedisLedger) Partition(key chain.SessionKey) int { return l.keys.Partition(key) }

// Remove implements Ledger.
func (l *RedisLedger) Remove(ctx context.Context, key chain.SessionKey) error {
	if err := l.rdb.Unlink(ctx, l.keys.Meter(key)).Err(); err != nil {
		return fmt.Errorf("remove the meter of session %s: %w", key.SessionID, err)
	}
	return nil
}
