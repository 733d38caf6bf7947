package main

import (
	"github.com/spf13/cobra"
)

func snapshotCommand(o *options) *cobra.Command {
	snapshot := &cobra.Command{
		Use:   "snapshot",
		Short: "Look into snapshots of the group's state",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	snapshot.AddCommand(snapshotInspectCommand(o))
	return snapshot
}
