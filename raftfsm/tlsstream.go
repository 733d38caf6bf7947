package raftfsm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

const (
	handshakeTimeout = 2 * time.Second
	maxHandshakes    = 32 // strangers must not hold more connections than this
)

// tlsStream is raft over TLS 1.3 with certificates on both sides.
type tlsStream struct {
	raft.StreamLayer
	identity peerIdentity
	expect   func(raft.ServerAddress) string // the id of the member at an address, "" if unknown
	log      *zap.Logger

	ready  chan net.Conn // authenticated, waiting for Accept
	slots  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newTLSStream(inner raft.StreamLayer, identity peerIdentity, expect func(raft.ServerAddress) string, log *zap.Logger) *tlsStream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &tlsStream{
		StreamLayer: inner, identity: identity, expect: expect, log: log,
		ready: make(chan net.Conn), slots: make(chan struct{}, maxHandshakes), ctx: ctx, cancel: cancel,
	}
	s.done.Go(s.listen)
	return s
}

// Accept implements net.Listener: it returns authenticated peers only.
func (s *tlsStream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.ready:
		return conn, nil
	case <-s.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (s *tlsStream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	cfg, err := s.identity.config(s.expect(addr))
	if err != nil {
		return nil, err
	}
	conn, err := s.StreamLayer.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, min(timeout, handshakeTimeout))
	defer cancel()
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", addr, err), conn.Close())
	}
	return secure, nil
}

// Close implements net.Listener. It ends pending handshakes as well.
func (s *tlsStream) Close() error {
	s.cancel()
	err := s.StreamLayer.Close()
	s.done.Wait()
	return err
}

// listen takes connections and shakes hands aside, so that a silent stranger does
// not keep members waiting.
func (s *tlsStream) listen() {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		conn, err := s.StreamLayer.Accept()
		if err != nil {
			<-s.slots
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("accept a raft peer", zap.Error(err))
			continue
		}
		s.done.Go(func() {
			defer func() { <-s.slots }()
			s.greet(conn)
		})
	}
}

func (s *tlsStream) greet(conn net.Conn) {
	secure, err := s.shake(conn)
	if err != nil {
		s.log.Warn("refused a raft peer", zap.Stringer("from", conn.RemoteAddr()), zap.Error(err))
		_ = conn.Close() // it is a stranger's
		return
	}
	select {
	case s.ready <- secure:
	case <-s.ctx.Done():
		_ = conn.Close()
	}
}

func (s *tlsStream) shake(conn net.Conn) (net.Conn, error) {
	cfg, err := s.identity.config("")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	secure := tls.Server(conn, cfg)
	return secure, secure.HandshakeContext(ctx)
}
