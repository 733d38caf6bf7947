package raftfsm

import (
	"context"
	"time"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func (a *admin) Pulse(context.Context, *adminpb.PulseRequest) (*adminpb.MemberHealth, error) {
	return healthToPB(a.node.Pulse()), nil
}

func (a *admin) Health(ctx context.Context, _ *adminpb.HealthRequest) (*adminpb.HealthResponse, error) {
	h := a.node.Health(ctx)
	response := &adminpb.HealthResponse{Quorum: h.Quorum, FailureTolerance: uint32(h.Tolerance), Warnings: h.Warnings}
	for _, m := range h.Members {
		response.Members = append(response.Members, healthToPB(m))
	}
	return response, nil
}

func healthToPB(h MemberHealth) *adminpb.MemberHealth {
	return &adminpb.MemberHealth{
		Id: h.ID, Address: h.Address, Suffrage: h.Suffrage, Error: h.Error, RttMs: millis(h.RTT),
		State: h.State, LeaderId: h.LeaderID, Term: h.Term, Generation: h.Generation,
		LastContactMs: contactMillis(h.LastContact), AppliedIndex: h.AppliedIndex, LastIndex: h.LastIndex,
		FsyncP50Ms: millis(h.FsyncP50), FsyncP99Ms: millis(h.FsyncP99), DiskFreeBytes: h.DiskFree,
		Version: h.Version, ConfigHash: h.ConfigHash, Instance: h.Instance, Drained: h.Drained, Waiting: h.Waiting,
	}
}

func healthFromPB(h *adminpb.MemberHealth) MemberHealth {
	return MemberHealth{
		Member: Member{
			ID: h.GetId(), Address: h.GetAddress(), Suffrage: h.GetSuffrage(),
			LastContact: time.Duration(h.GetLastContactMs()) * time.Millisecond,
		},
		Error: h.GetError(), RTT: fromMillis(h.GetRttMs()),
		State: h.GetState(), LeaderID: h.GetLeaderId(), Term: h.GetTerm(), Generation: h.GetGeneration(),
		AppliedIndex: h.GetAppliedIndex(), LastIndex: h.GetLastIndex(),
		FsyncP50: fromMillis(h.GetFsyncP50Ms()), FsyncP99: fromMillis(h.GetFsyncP99Ms()), DiskFree: h.GetDiskFreeBytes(),
		Version: h.GetVersion(), ConfigHash: h.GetConfigHash(), Instance: h.GetInstance(),
		Drained: h.GetDrained(), Waiting: h.GetWaiting(),
	}
}

func millis(d time.Duration) float64      { return float64(d.Microseconds()) / 1e3 }
func fromMillis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
