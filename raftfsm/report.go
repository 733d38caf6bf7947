package raftfsm

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// maxReported bounds the trees of one report.
const maxReported = 500

// Voters is the number of members that vote.
func (n *Node) Voters() int { return n.voters() }

// ReportArchived lets the group know that this node keeps the leaves of trees on
// its disk, through the leader if that is another node.
func (n *Node) ReportArchived(ctx context.Context, trees []ArchivedTree) error {
	for len(trees) > 0 {
		count := min(len(trees), maxReported)
		if err := n.reportSome(ctx, trees[:count]); err != nil {
			return fmt.Errorf("report %d archived trees: %w", count, err)
		}
		trees = trees[count:]
	}
	return nil
}

func (n *Node) reportSome(ctx context.Context, trees []ArchivedTree) (err error) {
	if epoch, leadErr := n.leadingEpoch(); leadErr == nil {
		_, err := n.Apply(ctx, Archived{Epoch: epoch, Node: n.cfg.NodeID, Trees: trees})
		return err
	}
	addr, _ := n.raft.LeaderWithID()
	if addr == "" {
		return fmt.Errorf("%w: no leader is known", ErrNotLeader)
	}
	conn, err := n.peerConn(string(addr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	request := &adminpb.ReportArchivedRequest{Node: n.cfg.NodeID}
	for _, t := range trees {
		request.Trees = append(request.Trees, &adminpb.ArchivedTree{Supplier: t.Key.Supplier, SessionId: t.Key.SessionID, Root: t.Root})
	}
	_, err = adminpb.NewPeerClient(conn).ReportArchived(ctx, request)
	return err
}

// peer answers other members. It never passes a question on.
type peer struct {
	adminpb.UnimplementedPeerServer
	node *Node
}

func registerPeer(server *grpc.Server, n *Node) { adminpb.RegisterPeerServer(server, &peer{node: n}) }

// ReportArchived records what a follower keeps.
func (p *peer) ReportArchived(ctx context.Context, request *adminpb.ReportArchivedRequest) (*adminpb.ReportArchivedResponse, error) {
	epoch, err := p.node.leadingEpoch()
	if err != nil {
		return nil, adminError(err)
	}
	if len(request.GetTrees()) > maxReported {
		return nil, status.Errorf(codes.InvalidArgument, "%d trees in one report, at most %d", len(request.GetTrees()), maxReported)
	}
	cmd := Archived{Epoch: epoch, Node: request.GetNode()}
	for _, t := range request.GetTrees() {
		cmd.Trees = append(cmd.Trees, ArchivedTree{Key: chain.SessionKey{Supplier: t.GetSupplier(), SessionID: t.GetSessionId()}, Root: t.GetRoot()})
	}
	_, err = p.node.Apply(ctx, cmd)
	return &adminpb.ReportArchivedResponse{}, adminError(err)
}
