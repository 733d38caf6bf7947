package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// adminStop bounds how long answers in progress may hold up a shutdown.
const adminStop = time.Second

// admin answers raftctl and other members.
type admin struct {
	adminpb.UnimplementedAdminServer
	node *Node
}

// ServeAdmin answers the admin API until ctx ends: on a unix socket at path, where
// only the socket's owner may connect, and to other members and operators with a
// certificate of the cluster on the port of raft.
func ServeAdmin(ctx context.Context, n *Node, path string) error {
	socket, err := listenUnix(path)
	if err != nil {
		return err
	}
	service := &admin{node: n}
	server := grpc.NewServer(grpc.UnaryInterceptor(service.passOn), grpc.MaxRecvMsgSize(maxMessage))
	adminpb.RegisterAdminServer(server, service)
	adminpb.RegisterInspectServer(server, &inspect{node: n})
	registerPeer(server, n)
	stopped := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(adminStop, server.Stop)
		server.GracefulStop()
		timer.Stop()
	})
	defer stopped()
	var group errgroup.Group
	for _, listener := range []net.Listener{socket, newAdminListener(n.stream)} {
		group.Go(func() error {
			err := server.Serve(listener)
			if errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, net.ErrClosed) {
				return nil // the node closed, or ctx ended
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("serve the admin API: %w", err)
	}
	return nil
}

func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the admin socket of an earlier run: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the admin socket: %w", err), listener.Close())
	}
	return listener, nil
}
