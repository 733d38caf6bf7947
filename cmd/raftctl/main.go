// Command raftctl inspects and steers the raft group of miners.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

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
	if err != nil {
		fmt.Fprintln(stderr, "raftctl:", err)
	}
	if ctx.Err() != nil && err != nil {
		return exitInterrupted
	}
	return exitCode(err)
}

// options are the flags of every command.
type options struct {
	addrs   []string
	output  string
	timeout time.Duration
	tls     *raftfsm.TLSFiles // for addresses off this machine
}

func rootCommand() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "raftctl",
		Short:         "Inspect and steer the raft group of miners",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q, see %s --help", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if o.output != "table" && o.output != "json" {
				return usageError{fmt.Errorf("-o must be table or json, not %q", o.output)}
			}
			return nil
		},
	}
	var fromEnv []string
	if env := os.Getenv("RAFTCTL_ADDR"); env != "" {
		fromEnv = strings.Split(env, ",")
	}
	flags := root.PersistentFlags()
	flags.StringSliceVar(&o.addrs, "addr", fromEnv, "admin socket of a miner, repeatable: the next one is asked when one cannot answer (RAFTCTL_ADDR)")
	flags.StringVarP(&o.output, "output", "o", "table", "table or json")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Second, "give up after")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(membersCommand(o), statusCommand(o), transferCommand(o), certsCommand())
	return root
}
