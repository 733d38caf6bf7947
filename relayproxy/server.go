package relayproxy

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// Connection limits of the listener.
const (
	idleTimeout   = 90 * time.Second // as long as gateways keep idle connections
	writeTimeout  = 30 * time.Second // a response, from its first byte on
	maxConcurrent = 256 << 10
)

// Deps is what a server asks others for.
type Deps struct {
	Signers    Signers
	Head       Head
	Sessions   Sessions
	Services   Services
	Verifier   Verifier
	Publisher  Publisher
	Meter      Meter // nil: no relay is charged for
	Seen       Seen  // for simulated relays
	Registerer prometheus.Registerer
	Log        *zap.Logger
}

// Server serves relays on listeners.
type Server struct {
	pipeline *pipeline
	refusals *refusals
	metrics  *metrics
	sockets  *sockets

	cors        *cors // nil: no browser may
	connections *connections
	grpc        *grpcServer
	http        *fasthttp.Server
	base        context.Context // of every relay; ends when shutdown gives up waiting
	abort       func()
	draining    atomic.Bool
	late        atomic.Uint64 // requests that came while draining
	ports       ports
}

// New makes a server. It serves once Serve is called.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register relayer metrics: %w", err)
	}
	bounds, err := newAdmission(cfg.Limits, deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register relayer metrics: %w", err)
	}
	clients, err := newConnections(cfg.Limits, cfg.TrustedProxies, deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register relayer metrics: %w", err)
	}
	simulated, err := newSimulation(cfg.Simulation, deps.Seen, deps.Registerer)
	if err != nil {
		return nil, err
	}
	table, err := newRoutes(cfg, m, deps.Log)
	if err != nil {
		return nil, err
	}
	if err := deps.Registerer.Register(newBackendState(table)); err != nil {
		return nil, fmt.Errorf("register relayer metrics: %w", err)
	}
	s := &Server{
		pipeline: &pipeline{
			routes: table, maxRequestBody: cfg.maxRequestBody(), signers: deps.Signers, head: deps.Head,
			sessions: deps.Sessions, services: deps.Services, verifier: deps.Verifier, publisher: deps.Publisher,
			admission: bounds, throttle: newThrottle(cfg.Limits), meter: deps.Meter, overServicing: cfg.OverServicing,
			simulation: simulated,
		},
		refusals: newRefusals(m, deps.Log), metrics: m, sockets: newSockets(cfg.Limits), connections: clients, cors: newCORS(cfg.AllowedOrigins),
	}
	base, abort := context.WithCancelCause(context.Background())
	s.base, s.abort = base, func() { abort(errGoingAway) }
	s.http = newHTTPServer(s, cfg)
	if s.grpc, err = newGRPCServer(s, cfg); err != nil {
		return nil, fmt.Errorf("serve gRPC: %w", err)
	}
	return s, nil
}

func newHTTPServer(s *Server, cfg Config) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.handleHTTP,
		ErrorHandler:                 s.handleHTTPError,
		Concurrency:                  maxConcurrent,
		MaxRequestBodySize:           cfg.maxRequestBody(),
		StreamRequestBody:            true, // so that what it takes is counted
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  cfg.Limits.readTimeout(),
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		CloseOnShutdown:              true,
		Logger:                       connectionLog{},
	}
}

// WatchBackends checks the backends until ctx ends. Until their first check they
// are taken for healthy.
func (s *Server) WatchBackends(ctx context.Context) { s.pipeline.routes.watch(ctx) }

// ReadyFor reports an RPC type of a service that nobody can serve now, or nil.
func (s *Server) ReadyFor(service string) error { return s.pipeline.routes.ready(service) }

// connectionLog drops fasthttp's own log lines: they are about connections that
// clients broke, one line each.
type connectionLog struct{}

func (connectionLog) Printf(string, ...any) {}
