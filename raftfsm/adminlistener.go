package raftfsm

import (
	"context"
	"net"
)

// adminListener hands out the connections for the admin API.
type adminListener struct {
	*peerStream
	closed context.Context
	cancel context.CancelFunc
}

func newAdminListener(s *peerStream) adminListener {
	closed, cancel := context.WithCancel(s.ctx)
	return adminListener{peerStream: s, closed: closed, cancel: cancel}
}

// Accept implements net.Listener.
func (l adminListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.asking:
		return conn, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Raft goes on using the stream.
func (l adminListener) Close() error {
	l.cancel()
	return nil
}
