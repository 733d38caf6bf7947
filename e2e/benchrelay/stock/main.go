package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"syscall"
	"time"

	ringgo "github.com/pokt-network/ring-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/ring"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/ingest/spool"
	"github.com/raftminer/raftminer/relayproxy"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

const drainTime = 5 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stock:", err)
		os.Exit(1)
	}
}

// run takes the arguments of raftminer, and -ours before them for our own
// cryptography, to profile it.
func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var ours bool
	if len(args) > 0 && args[0] == "-ours" {
		ours, args = true, args[1:]
	}
	if len(args) == 0 || args[0] != string(config.RoleRelayer) {
		return errors.New("usage: stock [-ours] relayer --config file")
	}
	flags := flag.NewFlagSet("relayer", flag.ContinueOnError)
	path := flags.String("config", "", "configuration of a relayer")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	cfg, err := config.Load(*path, config.RoleRelayer)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, ours)
}

// serve does what cmd/raftminer does for a relayer on one redis-server.
func serve(ctx context.Context, cfg *config.Config, ours bool) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	var nodes []chain.Node
	for _, n := range cfg.Chain.Nodes {
		nodes = append(nodes, chain.Node{RPC: n.RPC, GRPC: n.GRPC})
	}
	client, err := chain.Dial(cfg.Chain.ID, nodes, chain.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	options, err := redis.ParseURL(cfg.Redis.URL.Reveal())
	if err != nil {
		return err
	}
	rdb := redis.NewClient(options)
	defer rdb.Close()
	names := ingest.NewKeys(cfg.Redis.Namespace.BasePrefix, cfg.Chain.ID, cfg.Cluster.ID, cfg.Cluster.Partitions)
	publisher := ingest.NewPublisher(rdb, names, registry, zap.NewNop())
	defer publisher.Close()
	held, err := spool.Open(publisher, rdb, names, spool.Options{
		MaxBytes: int(cfg.Relayer.Spool.MaxBytes), Dir: cfg.Relayer.Spool.Dir,
	}, registry, zap.NewNop())
	if err != nil {
		return err
	}
	go held.Run(ctx)
	feed := chain.NewFeed(client, zap.NewNop())
	go func() { _ = feed.Run(ctx) }() // ends with ctx, without an error
	opts := cfg.Relayer.RelayMeter
	budgets := meter.New(meter.Options{Grace: opts.RedisGrace, MaxLease: int64(opts.MaxLease)},
		client, meter.NewRedisLedger(rdb, names), registry, zap.NewNop())
	go budgets.Run(ctx, func() int64 { return feed.Latest().Height })
	deps := relayproxy.Deps{
		Head: feed, Sessions: client, Services: client, Publisher: held, Meter: budgets, Registerer: registry, Log: zap.NewNop(),
	}
	if err := addCrypto(&deps, cfg.Keys.File, ours); err != nil {
		return err
	}
	server, err := relayproxy.New(services(cfg), deps)
	if err != nil {
		return err
	}
	go func() { _ = http.ListenAndServe(cfg.Metrics.Addr, ops(server, registry)) }() // without it we are never ready
	listener, err := net.Listen("tcp", cfg.Relayer.ListenAddr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		_ = server.Shutdown(drain)
	})
	return server.Serve(relayproxy.Port{Listener: listener, Name: cfg.Relayer.ListenAddr})
}

// signers are the keys by supplier.
type signers map[string]relayproxy.Signer

func (s signers) Signer(supplier string) (relayproxy.Signer, int64, bool) {
	key, ok := s[supplier]
	return key, 0, ok
}

func addCrypto(deps *relayproxy.Deps, keysFile string, ours bool) error {
	secrets, err := config.LoadKeysFile(keysFile)
	if err != nil {
		return err
	}
	deps.Verifier = verifier{ringgo.Secp256k1()}
	if ours {
		deps.Verifier = ring.NewVerifier()
	}
	keys := make(signers)
	deps.Signers = keys
	for _, secret := range secrets {
		if ours {
			key, err := chain.NewSupplierKey(secret)
			if err != nil {
				return err
			}
			keys[key.Address()] = key
			continue
		}
		key, err := newSigner(secret)
		if err != nil {
			return err
		}
		keys[key.Address()] = key
	}
	return nil
}

func services(cfg *config.Config) relayproxy.Config {
	out := relayproxy.Config{Services: make(map[string]relayproxy.Service)}
	for id, s := range cfg.Services {
		service := relayproxy.Service{
			Backends: make(map[relayproxy.RPCType]relayproxy.Pool),
			Timeout:  s.Timeout, MaxRequestBody: int(s.MaxRequestBody), MaxResponseBody: int(s.MaxResponseBody),
		}
		service.DefaultBackend, _ = relayproxy.ParseRPCType(s.DefaultBackend) // validated
		for name, b := range s.Backends {
			kind, _ := relayproxy.ParseRPCType(name) // validated
			service.Backends[kind] = relayproxy.Pool{Backends: []relayproxy.Backend{{URL: b.URL}}}
		}
		out.Services[id] = service
	}
	return out
}

func ops(server *relayproxy.Server, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := server.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	return mux
}
