package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Connection limits of the listener.
const (
	readTimeout   = 30 * time.Second // a whole request: a slow sender holds a connection no longer
	idleTimeout   = 90 * time.Second // as long as gateways keep idle connections
	writeTimeout  = 30 * time.Second // a response, from its first byte on
	maxConcurrent = 256 << 10
)

// Deps is what a server asks others for.
type Deps struct {
	Signers    []Signer
	Head       Head
	Sessions   Sessions
	Services   Services
	Verifier   Verifier
	Publisher  Publisher
	Registerer prometheus.Registerer
	Log        *zap.Logger
}

// Server serves relays on listeners.
type Server struct {
	pipeline *pipeline
	refusals *refusals
	metrics  *metrics
	sockets  *sockets
	grpc     *grpc.Server
	http     *fasthttp.Server
	base     context.Context // of every relay; ends when shutdown gives up waiting
	abort    context.CancelFunc
	draining atomic.Bool
}

// New makes a server. It serves once Serve is called.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(deps.Signers) == 0 {
		return nil, errors.New("no supplier key to sign with")
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register relayer metrics: %w", err)
	}
	table, err := newRoutes(cfg, m)
	if err != nil {
		return nil, err
	}
	s := &Server{
		pipeline: &pipeline{
			routes: table, maxRequestBody: cfg.maxRequestBody(), signers: signersOf(deps.Signers), head: deps.Head,
			sessions: deps.Sessions, services: deps.Services, verifier: deps.Verifier, publisher: deps.Publisher,
		},
		refusals: newRefusals(m, deps.Log), metrics: m, sockets: newSockets(),
	}
	s.base, s.abort = context.WithCancel(context.Background())
	s.http, s.grpc = newHTTPServer(s, cfg), newGRPCServer(s, cfg)
	return s, nil
}

// signersOf finds a signer by its supplier.
func signersOf(list []Signer) map[string]Signer {
	byAddress := make(map[string]Signer, len(list))
	for _, s := range list {
		byAddress[s.Address()] = s
	}
	return byAddress
}

func newHTTPServer(s *Server, cfg Config) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.handleHTTP,
		ErrorHandler:                 s.handleHTTPError,
		Concurrency:                  maxConcurrent,
		MaxRequestBodySize:           cfg.maxRequestBody(),
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		CloseOnShutdown:              true,
		Logger:                       connectionLog{},
	}
}

// Serve accepts connections until Shutdown. It may be called once per listener.
func (s *Server) Serve(ln net.Listener) error {
	mux := newProtocolMux(ln)
	go mux.run()
	ended := make(chan error, 1)
	go func() { ended <- s.grpc.Serve(mux.http2) }()
	err := s.http.Serve(mux.http1)
	_ = mux.Close() // ends the other one
	if grpcErr := <-ended; err == nil && !errors.Is(grpcErr, grpc.ErrServerStopped) && !errors.Is(grpcErr, net.ErrClosed) {
		err = grpcErr
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve relays on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Ready reports why a load balancer should not send relays here, or nil.
func (s *Server) Ready() error {
	switch {
	case s.draining.Load():
		return errors.New("shutting down")
	case s.pipeline.head.Latest().Height <= 0:
		return errors.New("no block seen yet")
	}
	return nil
}

// Drain makes Ready fail, so that a load balancer stops sending relays, while
// those that still come are served.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown drains, stops accepting, and waits until every relay in flight is
// answered or ctx ends. The publisher must be closed only after it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	defer s.abort()
	if err := errors.Join(s.http.ShutdownWithContext(ctx), s.sockets.close(ctx), s.stopGRPC(ctx)); err != nil {
		return fmt.Errorf("finish relays in flight: %w", err)
	}
	return nil
}

// stopGRPC waits for relays in flight, or for ctx.
func (s *Server) stopGRPC(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(stopped) }()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		return ctx.Err()
	}
}

// connectionLog drops fasthttp's own log lines: they are about connections that
// clients broke, one line each.
type connectionLog struct{}

func (connectionLog) Printf(string, ...any) {}
