package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// dialTimeout bounds the way to another member.
const dialTimeout = 2 * time.Second

// maxMessage bounds one answer of the admin API.
const maxMessage = 64 << 20

// peerConn is the admin API of the member at addr, over the port that raft uses.
func (n *Node) peerConn(addr string) (*grpc.ClientConn, error) {
	return adminConn("passthrough:///"+addr, func(ctx context.Context, _ string) (net.Conn, error) {
		return n.stream.dialAdmin(addr, timeLeft(ctx, dialTimeout))
	})
}

// DialAdmin makes a client of the admin API at addr: unix:///path or a path, or
// host:port of a member, with the files of a certificate of its cluster unless it is
// on loopback.
func DialAdmin(addr string, files *TLSFiles) (*grpc.ClientConn, error) {
	if !strings.Contains(addr, ":") {
		addr = "unix://" + addr
	}
	if strings.HasPrefix(addr, "unix:") {
		return adminConn(addr, nil)
	}
	var secure *peerIdentity
	if files != nil {
		cluster, err := files.cluster()
		if err != nil {
			return nil, err
		}
		secure = &peerIdentity{files: *files, clusterID: cluster}
	} else if !isLoopback(addr) {
		return nil, fmt.Errorf("admin API at %s: %w", addr, ErrPlaintext)
	}
	return adminConn("passthrough:///"+addr, func(ctx context.Context, _ string) (net.Conn, error) {
		dialer := plainStream{}
		conn, err := dialer.Dial(raft.ServerAddress(addr), timeLeft(ctx, dialTimeout))
		if err != nil {
			return nil, err
		}
		return openAdmin(ctx, conn, secure)
	})
}

func adminConn(target string, dial func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		// The connection that dial returns is authenticated already.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	}
	if dial != nil {
		options = append(options, grpc.WithContextDialer(dial))
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, fmt.Errorf("admin API at %s: %w", target, err)
	}
	return conn, nil
}

func timeLeft(ctx context.Context, most time.Duration) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(most, time.Until(end))
	}
	return most
}

// askPulse is the pulse of the member at addr.
func (n *Node) askPulse(ctx context.Context, addr string) (_ MemberHealth, err error) {
	conn, err := n.peerConn(addr)
	if err != nil {
		return MemberHealth{}, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	answer, err := adminpb.NewAdminClient(conn).Pulse(ctx, &adminpb.PulseRequest{})
	if err != nil {
		return MemberHealth{}, err
	}
	return healthFromPB(answer), nil
}

// Join asks the member at via to add this node to its group.
func (n *Node) Join(ctx context.Context, via string) (err error) {
	if !n.blank() {
		return fmt.Errorf("%s is %w", n.cfg.NodeID, ErrDuplicate)
	}
	conn, err := n.peerConn(via)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	_, err = adminpb.NewAdminClient(conn).AddMember(ctx, &adminpb.AddMemberRequest{Id: n.cfg.NodeID, Address: n.cfg.Advertise})
	return err
}
