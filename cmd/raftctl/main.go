// Command raftctl inspects and steers the raft group of miners.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	interrupted := ctx.Err() != nil && err != nil
	if err != nil && !(interrupted && errors.Is(err, context.Canceled)) {
		fmt.Fprintln(stderr, "raftctl:", err)
	}
	if interrupted {
		return exitInterrupted
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "raftctl",
		Short:         "Inspect and steer the raft group of miners",
		Version:       raftfsm.BuildVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q, see %s --help", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return o.check(cmd) },
	}
	o.register(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(membersCommand(o), statusCommand(o), partitionsCommand(o), transferCommand(o), certsCommand(), contextsCommand(o),
		sessionsCommand(o), sessionCommand(o), claimsCommand(o), logCommand(o), watchCommand(o), snapshotCommand(o),
		healthCommand(o), recoverCommand(o), verifyCommand(o),
		benchCommand(o), debugCommand(o))
	root.AddCommand(membershipCommands(o)...)
	if err := o.complete(root); err != nil {
		panic(err) // a flag that register did not make: caught by every test
	}
	return root
}
