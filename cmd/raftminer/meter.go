package main

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/run"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/relayproxy/meter"
)

const (
	meterConnections = 4
	// closeMeterTimeout bounds giving back what was leased.
	closeMeterTimeout = 2 * time.Second
)

// relayMeter is a meter and its way to Redis.
type relayMeter struct {
	*meter.Meter
	rdb redis.UniversalClient
}

// newMeter gives the meter connections of its own. A pool that failed to dial often
// enough looks only once a second whether Redis is back, and with those of the
// publisher the meter would make it late for sessions that are about to be sealed.
func (c *common) newMeter() (relayMeter, error) {
	rdb, err := newRedis(c.cfg.Redis, func(o *redis.UniversalOptions) {
		o.PoolSize, o.DialerRetries, o.MaxRetries = meterConnections, 1, -1
	})
	if err != nil {
		return relayMeter{}, err
	}
	opts := c.cfg.Relayer.RelayMeter
	return relayMeter{meter.New(
		meter.Options{Grace: opts.RedisGrace, MaxLease: int64(opts.MaxLease)},
		c.chain, meter.NewRedisLedger(rdb, c.names), c.registry, c.log), rdb}, nil
}

// tendMeter lets the meter give back what is not used, and forget what is over.
func (c *common) tendMeter(group *run.Group, m relayMeter) {
	ctx, stop := context.WithCancel(context.Background())
	group.Add(
		func() error { m.Run(ctx, func() int64 { return c.feed.Latest().Height }); return nil },
		func(error) { stop() })
}

// close gives everything back. No relay may be in flight any more.
func (m relayMeter) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeMeterTimeout)
	defer cancel()
	return errors.Join(m.Close(ctx), m.rdb.Close())
}
