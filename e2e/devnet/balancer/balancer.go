// Package balancer is a small layer 4 load balancer: it hands each TCP
// connection to the next backend that says it is ready and accepts one, and knows
// nothing of what the connection carries.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout is how long a backend may take to accept before the next is tried.
const dialTimeout = 2 * time.Second

// Backend is where connections go.
type Backend struct {
	Addr  string
	Ready string // URL that answers 200 while connections are welcome; "" is always
}

// Balancer listens on one address and spreads connections over backends.
type Balancer struct {
	listener net.Listener
	backends []*watched
	next     atomic.Uint64
	ctx      context.Context // ends with Close; dials hang on it
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // open on either side; Close ends them
}

// Start listens on addr (host:port, port 0 for any) for the given backends.
func Start(addr string, backends []Backend) (*Balancer, error) {
	if len(backends) == 0 {
		return nil, errors.New("balancer needs a backend")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Balancer{
		listener: listener, ctx: ctx, cancel: cancel, conns: make(map[net.Conn]struct{}),
	}
	for _, backend := range backends {
		w := &watched{Backend: backend}
		b.backends = append(b.backends, w)
		if backend.Ready != "" {
			b.wg.Go(func() { w.watch(ctx) })
		}
	}
	b.wg.Add(1)
	go b.accept()
	return b, nil
}

// Addr is the address that clients connect to.
func (b *Balancer) Addr() string { return b.listener.Addr().String() }

// Close ends every connection.
func (b *Balancer) Close() error {
	b.cancel()
	err := b.listener.Close()
	b.mu.Lock()
	for conn := range b.conns {
		_ = conn.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
	return err
}

func (b *Balancer) accept() {
	defer b.wg.Done()
	for {
		client, err := b.listener.Accept()
		if err != nil {
			if b.ctx.Err() != nil {
				return
			}
			continue // a client that went away before it was accepted
		}
		b.wg.Add(1)
		go b.serve(client)
	}
}

func (b *Balancer) serve(client net.Conn) {
	defer b.wg.Done()
	if !b.track(client) {
		return
	}
	defer b.untrack(client)
	backend, err := b.dial()
	if err != nil || !b.track(backend) {
		return // closing the client is all that layer 4 can say
	}
	defer b.untrack(backend)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pipe(backend, client)
	}()
	pipe(client, backend)
	<-done
}

// pipe copies until from ends, and passes that end on: a peer that has finished
// writing may still be reading. A broken connection breaks both directions.
func pipe(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// dial tries every backend once, beginning with the one whose turn it is, and
// those that are not ready only when all others failed.
func (b *Balancer) dial() (net.Conn, error) {
	turn := b.next.Add(1)
	dialer := net.Dialer{Timeout: dialTimeout}
	var errs []error
	for _, away := range []bool{false, true} {
		for i := range uint64(len(b.backends)) {
			backend := b.backends[(turn+i)%uint64(len(b.backends))]
			if backend.away.Load() != away {
				continue
			}
			conn, err := dialer.DialContext(b.ctx, "tcp", backend.Addr)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

func (b *Balancer) track(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		_ = conn.Close()
		return false
	}
	b.conns[conn] = struct{}{}
	return true
}

func (b *Balancer) untrack(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, conn)
	_ = conn.Close()
}
