package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
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
}

func statusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the state of one member, and the cluster as it sees it",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ask(cmd.Context(), o, askStatus)
			if err != nil {
				return err
			}
			if err := printStatus(cmd.OutOrStdout(), o.output, s); err != nil {
				return err
			}
			if s.LeaderID == "" {
				return errNoLeader
			}
			return nil
		},
	}
}

func askStatus(ctx context.Context, c adminpb.AdminClient) (memberStatus, error) {
	s, err := c.Status(ctx, &adminpb.StatusRequest{})
	if err != nil {
		return memberStatus{}, err
	}
	return memberStatus{
		ID: s.GetId(), Address: s.GetAddress(), Version: s.GetVersion(), State: s.GetState(), Term: s.GetTerm(),
		ClusterID: s.GetClusterId(), Epoch: s.GetEpoch(), Owner: s.GetOwner(), Leading: s.GetLeading(),
		LeaderID: s.GetLeaderId(), LastContactMS: s.GetLastContactMs(),
		CommitIndex: s.GetCommitIndex(), AppliedIndex: s.GetAppliedIndex(), LastIndex: s.GetLastIndex(),
		Sessions: s.GetSessions(),
	}, nil
}

func printStatus(out io.Writer, format string, s memberStatus) error {
	if format == "json" {
		return json.NewEncoder(out).Encode(s)
	}
	var sessions []string
	for _, stage := range slices.Sorted(maps.Keys(s.Sessions)) {
		sessions = append(sessions, fmt.Sprintf("%d %s", s.Sessions[stage], stage))
	}
	t := newTable(out)
	t.AppendRows([]table.Row{
		{"id", s.ID}, {"address", s.Address}, {"state", s.State}, {"term", s.Term}, {"leader", s.LeaderID},
		{"cluster", s.ClusterID}, {"epoch", s.Epoch}, {"owner", s.Owner}, {"leading", s.Leading},
		{"commit / applied / last index", fmt.Sprintf("%d / %d / %d", s.CommitIndex, s.AppliedIndex, s.LastIndex)},
		{"sessions", strings.Join(sessions, ", ")},
	})
	t.Render()
	return nil
}
