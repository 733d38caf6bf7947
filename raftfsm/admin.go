package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// adminStop bounds how long answers in progress may hold up a shutdown.
const adminStop = time.Second

// admin answers raftctl.
type admin struct {
	adminpb.UnimplementedAdminServer
	node *Node
}

// ServeAdmin answers the admin API on a unix socket at path until ctx ends. Only
// the socket's owner may connect.
func ServeAdmin(ctx context.Context, n *Node, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the admin socket of an earlier run: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("protect the admin socket: %w", err), listener.Close())
	}
	server := grpc.NewServer()
	adminpb.RegisterAdminServer(server, &admin{node: n})
	stopped := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(adminStop, server.Stop)
		server.GracefulStop()
		timer.Stop()
	})
	defer stopped()
	if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve the admin API: %w", err)
	}
	return nil
}

// DialAdmin makes a client of the admin API at addr: unix:///path, or a path.
func DialAdmin(addr string) (*grpc.ClientConn, error) {
	if !strings.Contains(addr, ":") {
		addr = "unix://" + addr
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("admin API at %s: %w", addr, err)
	}
	return conn, nil
}

func (a *admin) Members(context.Context, *adminpb.MembersRequest) (*adminpb.MembersResponse, error) {
	response := &adminpb.MembersResponse{}
	for _, m := range a.node.Members() {
		response.Members = append(response.Members, &adminpb.Member{
			Id: m.ID, Address: m.Address, Suffrage: m.Suffrage, Leader: m.Leader,
			Known: m.Known, LastContactMs: m.LastContact.Milliseconds(), MatchIndex: m.Match, Lag: m.Lag,
		})
	}
	return response, nil
}

func (a *admin) Status(context.Context, *adminpb.StatusRequest) (*adminpb.StatusResponse, error) {
	s := a.node.Status()
	response := &adminpb.StatusResponse{
		Id: s.ID, Address: s.Address, Version: s.Version, State: s.State, Term: s.Term,
		ClusterId: s.ClusterID, Owner: s.Owner, Leading: s.Leading, LeaderId: s.LeaderID,
		LastContactMs: s.LastContact.Milliseconds(), Sessions: make(map[string]uint32),
		CommitIndex: s.CommitIndex, AppliedIndex: s.AppliedIndex, LastIndex: s.LastIndex,
	}
	if s.LastContact < 0 {
		response.LastContactMs = -1
	}
	if !s.Epoch.IsZero() {
		response.Epoch = s.Epoch.String()
	}
	for stage, n := range s.Sessions {
		response.Sessions[stage.String()] = uint32(n)
	}
	return response, nil
}

func (a *admin) TransferLeader(ctx context.Context, request *adminpb.TransferLeaderRequest) (*adminpb.TransferLeaderResponse, error) {
	err := a.node.TransferLeader(ctx, request.GetId())
	switch {
	case err == nil:
		return &adminpb.TransferLeaderResponse{}, nil
	case errors.Is(err, ErrNotLeader):
		return nil, status.Errorf(codes.FailedPrecondition, "%v; the leader is %q", err, a.node.Status().LeaderID)
	case errors.Is(err, ErrNotFound):
		return nil, status.Error(codes.NotFound, err.Error())
	case errors.Is(err, ErrTransferSpent), errors.Is(err, ErrNoSuccessor), errors.Is(err, ErrNotVoter), errors.Is(err, ErrAlreadyLeader):
		return nil, status.Error(codes.Aborted, err.Error())
	}
	return nil, status.Error(codes.Unknown, err.Error())
}
