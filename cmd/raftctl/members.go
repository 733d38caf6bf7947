package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
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
	return &cobra.Command{
		Use:   "members",
		Short: "List the members of the group",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := ask(cmd.Context(), o, func(ctx context.Context, c adminpb.AdminClient) (*adminpb.MembersResponse, error) {
				return c.Members(ctx, &adminpb.MembersRequest{})
			})
			if err != nil {
				return err
			}
			return printMembers(cmd.OutOrStdout(), o.output, answer.GetMembers())
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func printMembers(out io.Writer, format string, list []*adminpb.Member) error {
	rows := make([]member, 0, len(list))
	for _, m := range list {
		row := member{ID: m.GetId(), Address: m.GetAddress(), Suffrage: m.GetSuffrage(), Leader: m.GetLeader()}
		if m.GetKnown() {
			contact, match, lag := m.GetLastContactMs(), m.GetMatchIndex(), m.GetLag()
			row.LastContactMS, row.MatchIndex, row.Lag = &contact, &match, &lag
		}
		rows = append(rows, row)
	}
	if format == "json" {
		return json.NewEncoder(out).Encode(rows)
	}
	t := newTable(out)
	t.AppendHeader(table.Row{"id", "address", "suffrage", "role", "last contact", "match", "lag"})
	for _, m := range rows {
		role, contact, match, lag := "follower", "-", "-", "-"
		if m.Leader {
			role = "leader"
		}
		if m.Lag != nil {
			contact = (time.Duration(*m.LastContactMS) * time.Millisecond).String()
			match, lag = fmt.Sprint(*m.MatchIndex), fmt.Sprint(*m.Lag)
		}
		t.AppendRow(table.Row{m.ID, m.Address, m.Suffrage, role, contact, match, lag})
	}
	t.Render()
	return nil
}

func newTable(out io.Writer) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	return t
}
