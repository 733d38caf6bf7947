package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// pollLeader is how often the new leader is looked for.
const pollLeader = 20 * time.Millisecond

func transferCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "transfer-leader [ID]",
		Short: "Hand leadership to a voter: to ID, or to the one that is furthest",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &adminpb.TransferLeaderRequest{}
			if len(args) == 1 {
				request.Id = args[0]
			}
			return transfer(cmd.Context(), o, request, cmd.OutOrStdout())
		},
	}
}

func transfer(ctx context.Context, o *options, request *adminpb.TransferLeaderRequest, out io.Writer) error {
	before, err := ask(ctx, o, askStatus)
	if err != nil {
		return err
	}
	_, err = ask(ctx, o, func(ctx context.Context, c adminpb.AdminClient) (*adminpb.TransferLeaderResponse, error) {
		return c.TransferLeader(ctx, request)
	})
	if err != nil {
		return err
	}
	after, err := awaitEpoch(ctx, o, before.Epoch)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return json.NewEncoder(out).Encode(map[string]string{"leader_id": after.LeaderID, "epoch": after.Epoch})
	}
	_, err = fmt.Fprintf(out, "leader is %s, epoch %s\n", after.LeaderID, after.Epoch)
	return err
}

// awaitEpoch waits until a leader has opened an epoch after the one before.
func awaitEpoch(ctx context.Context, o *options, before string) (memberStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	for {
		s, err := ask(ctx, o, askStatus)
		if err == nil && s.LeaderID != "" && s.Epoch > before {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return memberStatus{}, fmt.Errorf("%w: leadership was handed over, but no later epoch was seen", errNoLeader)
		case <-time.After(pollLeader):
		}
	}
}
