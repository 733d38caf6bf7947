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

// peerStream is a stream layer between members that know each other: TLS 1.3 with
// certificates on both sides, unless the group lives on loopback, then a hello.
// Connections for the admin API come out of it on the side.
type peerStream struct {
	raft.StreamLayer
	secure *peerIdentity // nil: in the clear
	node   acquaintance
	log    *zap.Logger

	ready  chan net.Conn // peers of raft, waiting for Accept
	asking chan net.Conn // connections for the admin API
	slots  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// acquaintance is what a peerStream asks of its node.
type acquaintance interface {
	introduce() hello
	judge(hello) error
	noteHello(hello)
	memberAt(raft.ServerAddress) string // the id of the member at an address, "" if unknown
}

func newPeerStream(inner raft.StreamLayer, secure *peerIdentity, node acquaintance, log *zap.Logger) *peerStream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &peerStream{
		StreamLayer: inner, secure: secure, node: node, log: log,
		ready: make(chan net.Conn), asking: make(chan net.Conn), slots: make(chan struct{}, maxHandshakes),
		ctx: ctx, cancel: cancel,
	}
	s.done.Go(s.listen)
	return s
}

// Accept implements net.Listener: it returns members only.
func (s *peerStream) Accept() (net.Conn, error) {
	select {
	case conn := <-s.ready:
		return conn, nil
	case <-s.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer.
func (s *peerStream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, _, err := s.meet(addr, purposeRaft, timeout)
	return conn, err
}

// probe asks who is at an address.
func (s *peerStream) probe(addr string, timeout time.Duration) (hello, error) {
	conn, theirs, err := s.meet(raft.ServerAddress(addr), purposeProbe, timeout)
	if err != nil {
		return hello{}, err
	}
	return theirs, conn.Close()
}

// meet dials a member and exchanges hellos.
func (s *peerStream) meet(addr raft.ServerAddress, p purpose, timeout time.Duration) (net.Conn, hello, error) {
	expected := s.node.memberAt(addr)
	conn, err := s.dialSecure(addr, expected, timeout)
	if err != nil {
		return nil, hello{}, err
	}
	theirs, err := sendHello(conn, p, s.node.introduce(), min(timeout, handshakeTimeout))
	if err == nil {
		err = s.accept(conn, p, expected, theirs)
	}
	if err != nil {
		return nil, hello{}, errors.Join(fmt.Errorf("meet %s: %w", addr, err), conn.Close())
	}
	return conn, theirs, nil
}

// dialAdmin opens the admin API of the member at addr.
func (s *peerStream) dialAdmin(addr string, timeout time.Duration) (net.Conn, error) {
	conn, err := s.StreamLayer.Dial(raft.ServerAddress(addr), timeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	return openAdmin(ctx, conn, s.secure)
}

// openAdmin turns a connection to a member into one to its admin API.
func openAdmin(ctx context.Context, conn net.Conn, secure *peerIdentity) (net.Conn, error) {
	conn, err := shakeAsClient(ctx, conn, secure, "")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{byte(purposeAdmin)}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (s *peerStream) dialSecure(addr raft.ServerAddress, expected string, timeout time.Duration) (net.Conn, error) {
	conn, err := s.StreamLayer.Dial(addr, timeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, min(timeout, handshakeTimeout))
	defer cancel()
	conn, err = shakeAsClient(ctx, conn, s.secure, expected)
	if err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", addr, err)
	}
	return conn, nil
}

// shakeAsClient secures a dialled connection, which is closed if that fails. secure
// is nil on loopback.
func shakeAsClient(ctx context.Context, conn net.Conn, secure *peerIdentity, expected string) (net.Conn, error) {
	if secure == nil {
		return conn, nil
	}
	cfg, err := secure.config(expected)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	client := tls.Client(conn, cfg)
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client, nil
}

// Close implements net.Listener. It ends pending handshakes as well.
func (s *peerStream) Close() error {
	s.cancel()
	err := s.StreamLayer.Close()
	s.done.Wait()
	return err
}

// listen takes connections and shakes hands aside, so that a silent stranger does
// not keep members waiting.
func (s *peerStream) listen() {
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
