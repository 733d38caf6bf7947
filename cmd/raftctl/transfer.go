package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// pollLeader is how often the new leader is looked for.
const pollLeader = 20 * time.Millisecond

// handedOver is who leads now.
type handedOver struct {
	LeaderID string `json:"leader_id"`
	Epoch    string `json:"epoch"`
}

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
		ValidArgsFunction: completeMembers(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &adminpb.TransferLeaderRequest{}
			if len(args) == 1 {
				request.Id = args[0]
			}
			return transfer(cmd.Context(), o, request, o.printer(cmd))
		},
	}
}

func transfer(ctx context.Context, o *options, request *adminpb.TransferLeaderRequest, p printer) error {
	after, err := handOver(ctx, o, request)
	if err != nil {
		return err
	}
	return say(p, handedOver{after.LeaderID, after.Epoch}, "leader is %s, epoch %s", after.LeaderID, after.Epoch)
}

// handOver waits until the next leader has opened its epoch.
func handOver(ctx context.Context, o *options, request *adminpb.TransferLeaderRequest) (memberStatus, error) {
	before, err := ask(ctx, o, askStatus)
	if err != nil {
		return memberStatus{}, err
	}
	_, err = act(ctx, o, func(ctx context.Context, c adminpb.AdminClient) (*adminpb.TransferLeaderResponse, error) {
		return c.TransferLeader(ctx, request)
	})
	if err != nil {
		return memberStatus{}, err
	}
	return awaitEpoch(ctx, o, before.Epoch)
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
