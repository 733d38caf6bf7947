package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Node is one full node. The scheme of each URL decides on TLS.
type Node struct {
	RPC  string // CometBFT RPC, http:// or https://
	GRPC string // cosmos gRPC, http:// or https://
}

// ErrNoNode is returned when no configured full node answered.
var ErrNoNode = errors.New("no full node answered")

// nodes is a set of full nodes that is used as one: a call goes to the
// preferred node and, if that one cannot be reached, to the next. It implements
// grpc.ClientConnInterface, so every query client runs over it unchanged.
type nodes struct {
	grpc      []*grpc.ClientConn
	rpc       []*rpchttp.HTTP
	preferred atomic.Int64
}

func dialNodes(list []Node) (*nodes, error) {
	if len(list) == 0 {
		return nil, errors.New("no full node is configured (chain.nodes)")
	}
	n := &nodes{}
	for _, node := range list {
		conn, err := dialGRPC(node.GRPC)
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		n.grpc = append(n.grpc, conn)
		rpc, err := rpchttp.New(node.RPC, "/websocket")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("chain rpc %s: %w", node.RPC, err), n.close())
		}
		n.rpc = append(n.rpc, rpc)
	}
	return n, nil
}

func dialGRPC(raw string) (*grpc.ClientConn, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("chain grpc url %q: %w", raw, err)
	}
	var creds credentials.TransportCredentials
	switch u.Scheme {
	case "http":
		creds = insecure.NewCredentials()
	case "https":
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	default:
		return nil, fmt.Errorf("chain grpc url %q: scheme must be http or https", raw)
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, fmt.Errorf("chain grpc %s: %w", raw, err)
	}
	return conn, nil
}

// Invoke implements grpc.ClientConnInterface.
func (n *nodes) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return n.try(ctx, func(i int) error { return n.grpc[i].Invoke(ctx, method, args, reply, opts...) })
}

// NewStream implements grpc.ClientConnInterface.
func (n *nodes) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (stream grpc.ClientStream, err error) {
	err = n.try(ctx, func(i int) error {
		stream, err = n.grpc[i].NewStream(ctx, desc, method, opts...)
		return err
	})
	return stream, err
}

// comet calls f with the CometBFT RPC clients until one answers.
func (n *nodes) comet(ctx context.Context, f func(*rpchttp.HTTP) error) error {
	return n.try(ctx, func(i int) error { return f(n.rpc[i]) })
}

// try calls f with node indexes, the preferred one first, and moves on only
// when a node could not be reached: an answer, even a refusal, is final.
func (n *nodes) try(ctx context.Context, f func(i int) error) error {
	first := int(n.preferred.Load())
	var errs []error
	for offset := range n.grpc {
		i := (first + offset) % len(n.grpc)
		err := f(i)
		if err == nil || !unreachable(err) || ctx.Err() != nil {
			if offset > 0 {
				n.preferred.Store(int64(i))
			}
			return err
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("%w: %w", ErrNoNode, errors.Join(errs...))
}

// unreachable tells a dead connection from a node's answer.
func unreachable(err error) bool {
	if s, ok := status.FromError(err); ok {
		return s.Code() == codes.Unavailable
	}
	var netErr *url.Error
	return errors.As(err, &netErr)
}

func (n *nodes) close() error {
	var errs []error
	for _, conn := range n.grpc {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
