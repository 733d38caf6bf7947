package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// member is a row of the answer. Contact and lag are known to the leader only.
type member struct {
	ID            string  `json:"id"`
	Address       string  `json:"address"`
	Suffrage      string  `json:"suffrage"`
	Leader        bool    `json:"leader"`
	LastContactMS *int64  `json:"last_contact_ms"`
	MatchIndex    *uint64 `json:"match_index"`
	Lag           *uint64 `json:"lag"`
}

func membersCommand(o *options) *cobra.Command {
	return asked(o, &cobra.Command{
		Use:   "members",
		Short: "List the members of the group",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		rows, err := ask(ctx, o, askMembers)
		if err != nil {
			return err
		}
		return list(p, rows)
	})
}

func askMembers(ctx context.Context, c adminpb.AdminClient) ([]member, error) {
	answer, err := c.Members(ctx, &adminpb.MembersRequest{})
	if err != nil {
		return nil, err
	}
	rows := make([]member, 0, len(answer.GetMembers()))
	for _, m := range answer.GetMembers() {
		row := member{ID: m.GetId(), Address: m.GetAddress(), Suffrage: m.GetSuffrage(), Leader: m.GetLeader()}
		if m.GetKnown() {
			contact, match, lag := m.GetLastContactMs(), m.GetMatchIndex(), m.GetLag()
			row.LastContactMS, row.MatchIndex, row.Lag = &contact, &match, &lag
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// completeMembers offers the ids of members to the shell.
func completeMembers(o *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		rows, err := ask(cmd.Context(), o, askMembers)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, m := range rows {
			ids = append(ids, m.ID)
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
