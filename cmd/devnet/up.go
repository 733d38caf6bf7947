package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/e2e/devnet"
)

func newUpCommand() *cobra.Command {
	flags := new(devnetFlags)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the network and keep it running until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := flags.options()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			opts.Progress = out
			net, err := devnet.Start(cmd.Context(), opts)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "ready    %s\n", filepath.Join(net.Dir(), devnet.ManifestName))
			<-cmd.Context().Done()
			fmt.Fprintln(out, "stopping")
			return net.Close()
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&flags.onlyChain, "only-chain", false, "start the chain and nothing else")
	return cmd
}
