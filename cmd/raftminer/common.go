package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
)

const (
	// maxBlockAge is how old the newest block may be before a process is no
	// longer ready: its view of sessions and windows is then a guess.
	maxBlockAge = 5 * time.Minute
	pingTimeout = time.Second
	// checkTimeout bounds the first question to the chain.
	checkTimeout = 3 * time.Second
)

// common is what both roles are built from.
type common struct {
	cfg      *config.Config
	log      *zap.Logger
	registry *prometheus.Registry
	chain    *chain.Client
	feed     *chain.Feed
	redis    redis.UniversalClient
	keys     *keystore.Store
	names    ingest.Keys
}

func newCommon(path string, role config.Role) (*common, error) {
	cfg, err := config.Load(path, role)
	if err != nil {
		return nil, err
	}
	log, err := newLogger(cfg.Logging.Level, cfg.Logging.Format, string(role))
	if err != nil {
		return nil, err
	}
	log.Info("configuration loaded", zap.String("file", path), zap.String("hash", cfg.Hash()))
	for _, warning := range keyFileWarnings(cfg.Keys) {
		log.Warn("keys", zap.Stringer("problem", warning))
	}
	rdb, err := newRedis(cfg.Redis)
	if err != nil {
		return nil, err
	}
	registry := newRegistry()
	var shared chain.Shared // of relayers: what miners decide by, they ask for themselves
	if role == config.RoleRelayer {
		shared = &answersInRedis{rdb: rdb, names: namesOf(cfg)}
	}
	client, err := newChain(cfg.Chain, registry, shared)
	if err != nil {
		return nil, err
	}
	if err := checkChain(client, log); err != nil {
		return nil, err
	}
	c := &common{
		cfg: cfg, log: log, registry: registry, chain: client, feed: chain.NewFeed(client, log),
		redis: rdb, names: namesOf(cfg),
	}
	if c.keys, err = keystore.Open(c.keyOptions(path, role)); err != nil {
		return nil, err
	}
	return c, nil
}

// warnOfRedis names settings of Redis that may cost relays one day.
func (c *common) warnOfRedis() {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	warnings, err := ingest.Check(ctx, c.redis)
	if err != nil {
		c.log.Warn("redis cannot be asked for its settings yet", zap.Error(err))
	}
	for _, w := range warnings {
		c.log.Warn("redis setting", zap.String("name", w.Name), zap.String("setting", w.Setting), zap.String("cost", w.Cost))
	}
}

// checks are the conditions that both roles need to be of use.
func (c *common) checks() []check {
	return []check{
		{"redis", func() error { return c.pingRedis(context.Background()) }},
		{"chain", func() error {
			latest := c.feed.Latest()
			if latest.Height == 0 {
				return fmt.Errorf("no block seen yet")
			}
			if age := time.Since(latest.Time); age > maxBlockAge {
				return fmt.Errorf("newest block %d is %s old", latest.Height, age.Round(time.Second))
			}
			return nil
		}},
	}
}

func (c *common) close() {
	if err := c.redis.Close(); err != nil {
		c.log.Warn("close redis", zap.Error(err))
	}
	if err := c.chain.Close(); err != nil {
		c.log.Warn("close chain", zap.Error(err))
	}
	_ = c.log.Sync() // standard error may not support it
}
