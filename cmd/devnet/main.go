// Command devnet runs a whole Pocket network on this machine, for trying
// raftminer out and for testing against the chain that pays.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// errFailed is a run whose report says that something was lost: the report has
// been printed, there is nothing to add.
var errFailed = errors.New("run failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(os.Stderr, "devnet:", err)
		}
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "devnet",
		Short:         "A Pocket network on this machine: real chain, Redis, backends, miners, relayers",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUpCommand(), newRunCommand())
	return root
}
