package relayproxy

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/time/rate"
)

const (
	// grpcPing is how long a connection is silent until it is asked for a sign of life,
	// and how long that may take.
	grpcPing = 30 * time.Second
	// grpcStreams bounds the relays of one connection.
	grpcStreams = 1000
	// grpcHeaderBytes bounds the headers of a call, as those of a request over HTTP/1.1.
	grpcHeaderBytes = 16 << 10
	// What may have come of the messages of a connection, and of one of them, before a
	// handler reads it. What is read is counted.
	grpcConnWindow, grpcWindow = 1 << 20, 256 << 10
)

// grpcServer serves HTTP/2 connections for gRPC. It is not the server of grpc-go, which
// has a whole message in memory before anybody can count it.
type grpcServer struct {
	http2 *http2.Server
	base  *http.Server // has the handler, and knows how to say goodbye
	ctx   context.Context
	// resets are those that all connections may have.
	resets *rate.Limiter

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
	ended  sync.WaitGroup // of the connections
}

func newGRPCServer(s *Server, cfg Config) (*grpcServer, error) {
	g := &grpcServer{
		http2: &http2.Server{
			MaxConcurrentStreams: grpcStreams, MaxUploadBufferPerConnection: grpcConnWindow, MaxUploadBufferPerStream: grpcWindow,
			IdleTimeout: idleTimeout, ReadIdleTimeout: grpcPing, PingTimeout: grpcPing, WriteByteTimeout: writeTimeout,
		},
		base: &http.Server{
			Handler: http.HandlerFunc(s.handleGRPC), ReadTimeout: cfg.Limits.readTimeout(), MaxHeaderBytes: grpcHeaderBytes,
			ErrorLog: log.New(io.Discard, "", 0), // about connections that clients broke
		},
		ctx: s.base, resets: newResetBudget(), open: make(map[net.Conn]struct{}),
	}
	return g, http2.ConfigureServer(g.base, g.http2)
}

// serve takes connections until the listener closes.
func (g *grpcServer) serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		if !g.enter(conn) {
			_ = conn.Close()
			continue
		}
		go func() {
			defer g.leave(conn)
			g.http2.ServeConn(newPacedConn(conn, g.resets), &http2.ServeConnOpts{Context: g.ctx, BaseConfig: g.base})
		}()
	}
}

func (g *grpcServer) enter(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.open[conn] = struct{}{}
	g.ended.Add(1)
	return true
}

func (g *grpcServer) leave(conn net.Conn) {
	g.mu.Lock()
	delete(g.open, conn)
	g.mu.Unlock()
	_ = conn.Close()
	g.ended.Done()
}

// shutdown tells clients to go elsewhere, and waits for relays in flight, or for ctx.
func (g *grpcServer) shutdown(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	if err := g.base.Shutdown(ctx); err != nil { // it has no connections of its own
		return err
	}
	done := make(chan struct{})
	go func() { g.ended.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.open {
		_ = conn.Close()
	}
	return ctx.Err()
}
