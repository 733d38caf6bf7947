package raftfsm

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"
)

// How long and for how many bytes a connection is read on after a refusal.
const (
	partTimeout = 250 * time.Millisecond
	partMost    = 64 << 10
)

// greet finds out who came and what for.
func (s *peerStream) greet(conn net.Conn) {
	stop := context.AfterFunc(s.ctx, func() { _ = conn.Close() }) // a handshake must not hold up Close
	secure, for_, err := s.welcome(conn)
	if !stop() || err != nil || for_ == purposeProbe {
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("refused a peer", zap.Stringer("from", conn.RemoteAddr()), zap.Error(err))
		}
		part(conn) // it is a stranger's, or all was said
		return
	}
	to := s.ready
	if for_ == purposeAdmin {
		to = s.asking
	}
	limit := time.NewTimer(handshakeTimeout) // the admin API may not be served
	defer limit.Stop()
	select {
	case to <- secure:
	case <-limit.C:
		_ = conn.Close()
	case <-s.ctx.Done():
		_ = conn.Close()
	}
}

// part closes a connection so that the other end gets to read the last words on it,
// why it was refused: to close on bytes that were not read yet would reset it.
func part(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		if err := conn.SetReadDeadline(time.Now().Add(partTimeout)); err == nil {
			_, _ = io.CopyN(io.Discard, conn, partMost)
		}
	}
	_ = conn.Close()
}

func (s *peerStream) welcome(conn net.Conn) (net.Conn, purpose, error) {
	conn, err := s.shake(conn)
	if err != nil {
		return nil, 0, err
	}
	p, err := readPurpose(conn, handshakeTimeout)
	if err != nil || p == purposeAdmin {
		return conn, p, err
	}
	end := deadline(conn, handshakeTimeout)
	theirs, err := readHello(conn)
	end()
	if err != nil {
		return nil, p, err
	}
	refusal := s.accept(conn, p, "", theirs)
	return conn, p, answerHello(conn, s.node.introduce(), refusal, handshakeTimeout)
}

func (s *peerStream) shake(conn net.Conn) (net.Conn, error) {
	if s.secure == nil {
		return conn, nil
	}
	cfg, err := s.secure.config("")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	secure := tls.Server(conn, cfg)
	return secure, secure.HandshakeContext(ctx)
}

// accept holds a hello against the connection it came on and against what this
// member knows.
func (s *peerStream) accept(conn net.Conn, p purpose, expected string, theirs hello) error {
	if theirs.Refused != "" {
		return fmt.Errorf("%w %s: %s", errRefused, theirs.NodeID, theirs.Refused)
	}
	if name, secured := certifiedName(conn); secured && name != theirs.NodeID {
		return fmt.Errorf("%w: it calls itself %q, its certificate says %q", ErrPeer, theirs.NodeID, name)
	}
	if expected != "" && expected != theirs.NodeID {
		return fmt.Errorf("%w: it is node %q, want %q", ErrPeer, theirs.NodeID, expected)
	}
	if p == purposeProbe { // whoever asks only wants to know
		return nil
	}
	if err := s.node.judge(theirs); err != nil {
		return err
	}
	s.node.noteHello(theirs)
	return nil
}

// certifiedName is the node that the certificate at the other end was issued to.
func certifiedName(conn net.Conn) (name string, secured bool) {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return "", false
	}
	return nodeOf(secure.ConnectionState().PeerCertificates), true
}
