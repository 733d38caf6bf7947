package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// errInTheLog says where to ask: what is in two places differs one day.
var errInTheLog = errors.New("claims and proofs are decided in the log of the miners, Redis has none of them: " +
	"ask `raftminer claims`, or `raftctl claims` for every transaction")

func submissionsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "submissions", Short: "Not in Redis: `raftminer claims` and `raftctl claims` tell of claims and proofs",
		Args: cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error { return usageError{errInTheLog} },
	}
}

// channelRow is a channel; there is none.
type channelRow struct {
	Channel string `json:"channel"`
}

func (v *redisView) pubsubCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pubsub", Short: "Channels in use: none",
		Long: "No channels are used: a message that nobody was there to hear is lost. Relayers look at Redis once a second,\n" +
			"miners read streams from where they stopped, and every process reads the blocks of the chain itself.",
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(v.output); err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "no channels are used")
			return show[channelRow](cmd, v.output, nil)
		},
	}
}
