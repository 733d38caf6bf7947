package raftfsm

import (
	"context"
	"time"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

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
		LastContactMs: contactMillis(s.LastContact), Sessions: make(map[string]uint32),
		CommitIndex: s.CommitIndex, AppliedIndex: s.AppliedIndex, LastIndex: s.LastIndex,
		Waiting: s.Waiting, Drained: s.Drained,
	}
	if !s.Epoch.IsZero() {
		response.Epoch = s.Epoch.String()
	}
	for stage, n := range s.Sessions {
		response.Sessions[stage.String()] = uint32(n)
	}
	for partition, h := range s.Holdings {
		response.Partitions = append(response.Partitions, &adminpb.PartitionHolder{
			Partition: uint32(partition), Member: h.Node, Fence: h.Fence(),
		})
	}
	return response, nil
}

// contactMillis keeps -1 for never.
func contactMillis(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

func (a *admin) TransferLeader(ctx context.Context, request *adminpb.TransferLeaderRequest) (*adminpb.TransferLeaderResponse, error) {
	return &adminpb.TransferLeaderResponse{}, adminError(a.node.TransferLeader(ctx, request.GetId()))
}

func (a *admin) AddMember(ctx context.Context, request *adminpb.AddMemberRequest) (*adminpb.AddMemberResponse, error) {
	return &adminpb.AddMemberResponse{}, adminError(a.node.AddMember(ctx, request.GetId(), request.GetAddress()))
}

func (a *admin) Join(ctx context.Context, request *adminpb.JoinRequest) (*adminpb.JoinResponse, error) {
	answer := &adminpb.JoinResponse{Id: a.node.cfg.NodeID, Address: a.node.cfg.Advertise}
	return answer, adminError(a.node.Join(ctx, request.GetVia()))
}

func (a *admin) Promote(ctx context.Context, request *adminpb.PromoteRequest) (*adminpb.PromoteResponse, error) {
	return &adminpb.PromoteResponse{}, adminError(a.node.Promote(ctx, request.GetId()))
}

func (a *admin) Demote(ctx context.Context, request *adminpb.DemoteRequest) (*adminpb.DemoteResponse, error) {
	return &adminpb.DemoteResponse{}, adminError(a.node.Demote(ctx, request.GetId(), request.GetForce()))
}

func (a *admin) Remove(ctx context.Context, request *adminpb.RemoveRequest) (*adminpb.RemoveResponse, error) {
	return &adminpb.RemoveResponse{}, adminError(a.node.Remove(ctx, request.GetId(), request.GetForce()))
}

func (a *admin) Drain(ctx context.Context, request *adminpb.DrainRequest) (*adminpb.DrainResponse, error) {
	return &adminpb.DrainResponse{}, adminError(a.node.SetDrained(ctx, request.GetId(), request.GetDrained()))
}
