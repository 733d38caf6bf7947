package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// lastWords is how long what is in flight may take to tell its client so when
// shutdown has waited long enough.
const lastWords = time.Second

// ports are the listeners that a server serves.
type ports struct {
	mu     sync.Mutex
	open   []*protocolMux
	closed bool
}

func (p *ports) add(m *protocolMux) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open = append(p.open, m)
	}
	return !p.closed
}

// close refuses new connections. It returns when those that were accepted are
// served, or ctx ends.
func (p *ports) close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	open := p.open
	p.mu.Unlock()
	for _, m := range open {
		_ = m.Listener.Close() // it may have ended by itself
	}
	for _, m := range open {
		select {
		case <-m.done:
		case <-ctx.Done():
		}
	}
}

// Serve accepts connections on all ports until Shutdown, or until one of them fails. A
// port may be served once.
func (s *Server) Serve(ports ...Port) error {
	ended := make(chan error, len(ports))
	var open []*protocolMux
	for _, port := range ports {
		mux := newProtocolMux(port, s.connections)
		open = append(open, mux)
		go func() { ended <- s.serve(mux) }()
	}
	var errs []error
	for range ports {
		err := <-ended
		errs = append(errs, err)
		for _, mux := range open {
			if err != nil {
				_ = mux.Close() // who serves on half of the ports looks well and is not
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Server) serve(mux *protocolMux) error {
	if !s.ports.add(mux) {
		return mux.Close()
	}
	go mux.run()
	ended := make(chan error, 1)
	go func() { ended <- s.grpc.serve(mux.http2) }()
	err := s.http.Serve(mux.http1)
	_ = mux.Close() // ends the other one
	if grpcErr := <-ended; err == nil && !errors.Is(grpcErr, net.ErrClosed) {
		err = grpcErr
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve relays on %s: %w", mux.Addr(), err)
	}
	return nil
}

// Ready reports why a load balancer should not send relays here, or nil.
func (s *Server) Ready() error {
	switch {
	case s.draining.Load():
		return errors.New("shutting down")
	case s.pipeline.admission.full():
		return errors.New("too much is in flight")
	case s.pipeline.head.Latest().Height <= 0:
		return errors.New("no block seen yet")
	}
	return nil
}

// Drain makes Ready fail, so that a load balancer stops sending relays. Those
// that still come are served, and their connections closed after the answer.
func (s *Server) Drain() { s.draining.Store(true) }

// Late counts the requests over HTTP and gRPC that came since Drain. As long as they come,
// somebody has not noticed.
func (s *Server) Late() uint64 { return s.late.Load() }

// Shutdown drains, stops accepting, and waits until every relay in flight is
// answered. When ctx ends first, what is left is refused and given a moment to
// say so. WebSockets are told at once: their clients go on elsewhere. The
// publisher must be closed only after it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	hard, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		s.abort()
		time.AfterFunc(lastWords, giveUp)
	})
	defer stop()
	s.ports.close(hard)
	steps := []func(context.Context) error{s.http.ShutdownWithContext, s.sockets.close, s.grpc.shutdown}
	errs := make([]error, len(steps))
	var wg sync.WaitGroup
	for i, step := range steps {
		wg.Go(func() { errs[i] = step(hard) })
	}
	wg.Wait()
	s.abort()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("finish relays in flight: %w", err)
	}
	return nil
}
