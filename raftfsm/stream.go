package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// ErrPlaintext is the refusal to talk raft in the clear off this machine.
var ErrPlaintext = errors.New("raft without TLS is allowed on loopback only")

const tcpKeepAlive = 5 * time.Second

// advertised is an address as peers dial it: a name stays a name, so it may
// change its IP.
type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

// plainStream is raft over bare TCP.
type plainStream struct {
	net.Listener
	addr advertised
}

// listenTCP opens cfg.Bind for peers.
func listenTCP(cfg Config) (raft.StreamLayer, error) {
	if cfg.TLS == nil && (!isLoopback(cfg.Bind) || !isLoopback(cfg.Advertise)) {
		return nil, fmt.Errorf("%w: bind %s, advertise %s", ErrPlaintext, cfg.Bind, cfg.Advertise)
	}
	if cfg.TLS != nil {
		if err := (peerIdentity{files: *cfg.TLS, clusterID: cfg.ClusterID}).check(cfg.NodeID); err != nil {
			return nil, err
		}
	}
	listen := net.ListenConfig{KeepAlive: tcpKeepAlive}
	l, err := listen.Listen(context.Background(), "tcp", cfg.Bind)
	if err != nil {
		return nil, fmt.Errorf("listen for raft peers: %w", err)
	}
	return &plainStream{Listener: l, addr: advertised(cfg.Advertise)}, nil
}

// Addr is the address that peers know this node by.
func (s *plainStream) Addr() net.Addr { return s.addr }

// Dial implements raft.StreamLayer.
func (s *plainStream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout, KeepAlive: tcpKeepAlive}
	return dialer.Dial("tcp", string(addr))
}
