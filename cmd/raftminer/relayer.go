package main

import (
	"context"
	"errors"

	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain/ring"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/spool"
	"github.com/raftminer/raftminer/relayproxy"
)

func relayerCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "relayer",
		Short: "Verify, serve, sign and publish relays",
		Args:  exactArgs(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return runRelayer(cmd.Context(), path) },
	}
	configFlag(cmd, &path)
	return cmd
}

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "raftminer.yaml", "configuration file")
}

func runRelayer(ctx context.Context, path string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := newCommon(path, config.RoleRelayer)
	if err != nil {
		return err
	}
	defer c.close()
	publisher := ingest.NewPublisher(c.redis, c.names, c.registry, c.log)
	held, err := spool.Open(publisher, c.redis, c.names, spool.Options{
		MaxBytes: int(c.cfg.Relayer.Spool.MaxBytes), Dir: c.cfg.Relayer.Spool.Dir,
	}, c.registry, c.log)
	if err != nil {
		return err
	}
	budgets, err := c.newMeter()
	if err != nil {
		return err
	}
	server, err := relayproxy.New(serviceConfig(c.cfg), relayproxy.Deps{
		Signers: signers{c.keys}, Head: c.feed, Sessions: c.chain, Services: c.chain, Verifier: ring.NewVerifier(ring.WithMetrics(c.registry), ring.WithLog(c.log)),
		Publisher: held, Meter: budgets, Seen: seenInRedis{c.redis, c.names}, Registerer: c.registry, Log: c.log,
	})
	if err != nil {
		return err
	}
	doors, err := listenForRelays(c.cfg.Relayer, c.registry, c.log)
	if err != nil {
		return err
	}
	out := newDrainer(server, c.cfg.Relayer.Drain.Grace, c.cfg.Relayer.Drain.Timeout, c.log)
	// In the order in which they end: relays, what publishes them, and last what
	// tells how it goes.
	group := new(run.Group)
	group.Add(func() error { <-ctx.Done(); return nil }, func(error) { stop() })
	leave := make(chan struct{})
	group.Add(
		func() error {
			if err := server.Serve(doors.ports...); err != nil {
				out.cut()
				return err
			}
			<-leave // a relayer that was drained stays, so that it can be asked
			return nil
		},
		func(error) { out.wait(); close(leave) })
	watchCtx, stopWatching := context.WithCancel(context.Background())
	group.Add(
		func() error { server.WatchBackends(watchCtx); <-watchCtx.Done(); return nil },
		func(error) { stopWatching() })
	doors.follow(group)
	spoolCtx, stopSpool := context.WithCancel(context.Background())
	group.Add(
		func() error { held.Run(spoolCtx); return nil },
		func(error) { stopSpool() })
	warmCtx, stopWarming := context.WithCancel(context.Background())
	group.Add(
		func() error { c.chain.Prewarm(warmCtx, c.feed); <-warmCtx.Done(); return nil },
		func(error) { stopWarming() })
	c.tendMeter(group, budgets)
	c.followKeys(group, c.served)
	if err := c.support(group, c.relayerOps(held, server, doors, out)); err != nil {
		return errors.Join(err, doors.close())
	}
	c.log.Info("relayer started", zap.Strings("listen_addr", doors.addresses()), zap.Int("suppliers", len(c.keys.Suppliers())))
	err = group.Run()
	// Last: relays in flight have published or were refused by now.
	if closeErr := errors.Join(publisher.Close(), held.Close(), budgets.close()); closeErr != nil {
		c.log.Error("close publisher and meter", zap.Error(closeErr))
	}
	return err
}

// relayerOps are the checks of a relayer, /readyz/<service> and /drain.
func (c *common) relayerOps(held *spool.Spool, server *relayproxy.Server, doors *doors, out *drainer) ops {
	checks := append(c.relayerChecks(held), check{"relays", server.Ready})
	o := ops{checks: append(checks, doors.checks()...), services: make(map[string][]check), extend: out.routes}
	for id := range c.cfg.Services {
		o.services[id] = []check{{"backends", func() error { return server.ReadyFor(id) }}}
	}
	return o
}

// relayerChecks lets a relayer be ready without Redis while its spool takes what
// Redis does not.
func (c *common) relayerChecks(held *spool.Spool) []check {
	checks := c.checks()
	for i := range checks {
		if redis := checks[i]; redis.name == "redis" {
			checks[i].err = func() error {
				if held.Ready() == nil { // first: asking a Redis that is away takes its time
					return nil
				}
				return redis.err()
			}
		}
	}
	return checks
}

// support adds what every role runs: the block feed and the ops server.
func (c *common) support(group *run.Group, o ops) error {
	feedCtx, stopFeed := context.WithCancel(context.Background())
	if c.cfg.Metrics.Enabled {
		server, err := newOpsServer(c.cfg.Metrics.Addr, c.registry, o)
		if err != nil {
			stopFeed()
			return err
		}
		group.Add(server.run, func(error) { server.stop() })
	}
	group.Add(
		func() error { return c.feed.Run(feedCtx) },
		func(error) { stopFeed() })
	return nil
}
