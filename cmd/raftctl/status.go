package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// memberStatus is what one member says of itself.
type memberStatus struct {
	ID            string            `json:"id"`
	Address       string            `json:"address"`
	Version       string            `json:"version"`
	State         string            `json:"state"`
	Term          uint64            `json:"term"`
	ClusterID     string            `json:"cluster_id"`
	Epoch         string            `json:"epoch"`
	Owner         string            `json:"owner"`
	Leading       bool              `json:"leading"`
	LeaderID      string            `json:"leader_id"`
	LastContactMS int64             `json:"last_contact_ms"`
	CommitIndex   uint64            `json:"commit_index"`
	AppliedIndex  uint64            `json:"applied_index"`
	LastIndex     uint64            `json:"last_index"`
	Sessions      map[string]uint32 `json:"sessions"`
	Partitions    map[string]uint32 `json:"partitions"` // by holder
	Waiting       string            `json:"waiting"`    // why it is in no group yet
	Drained       bool              `json:"drained"`
}

func statusCommand(o *options) *cobra.Command {
	return asked(o, &cobra.Command{
		Use:   "status",
		Short: "Show the state of one member, and the cluster as it sees it",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		s, err := ask(ctx, o, askStatus)
		if err != nil {
			return err
		}
		if err := record(p, s); err != nil {
			return err
		}
		if s.LeaderID == "" {
			return errNoLeader
		}
		return nil
	})
}

func askStatus(ctx context.Context, c adminpb.AdminClient) (memberStatus, error) {
	s, err := c.Status(ctx, &adminpb.StatusRequest{})
	if err != nil {
		return memberStatus{}, err
	}
	return newStatus(s), nil
}

func newStatus(s *adminpb.StatusResponse) memberStatus {
	sessions := s.GetSessions()
	if sessions == nil {
		sessions = map[string]uint32{}
	}
	return memberStatus{
		ID: s.GetId(), Address: s.GetAddress(), Version: s.GetVersion(), State: s.GetState(), Term: s.GetTerm(),
		ClusterID: s.GetClusterId(), Epoch: s.GetEpoch(), Owner: s.GetOwner(), Leading: s.GetLeading(),
		LeaderID: s.GetLeaderId(), LastContactMS: s.GetLastContactMs(),
		CommitIndex: s.GetCommitIndex(), AppliedIndex: s.GetAppliedIndex(), LastIndex: s.GetLastIndex(),
		Sessions: sessions, Partitions: partitionCounts(s.GetPartitions()), Waiting: s.GetWaiting(), Drained: s.GetDrained(),
	}
}
