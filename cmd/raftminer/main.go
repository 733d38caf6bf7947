// Command raftminer is the relayer, the miner and their tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/relayproxy/certificate"
)

// Exit codes, as in docs/exit-codes.md.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitDegraded     = 3
	exitNotFound     = 4
	exitInvalidInput = 5
	exitUnreachable  = 6
	exitNoLeader     = 7
	exitRefused      = 8
	exitDiverged     = 70
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:]))
}

func execute(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	var problems config.Problems
	var usage usageError
	var key keystore.Problem
	switch {
	case errors.As(err, &problems), errors.As(err, &key), errors.Is(err, keystore.ErrNoKey),
		errors.Is(err, certificate.ErrUnusable):
		return exitInvalidInput
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errNodes), errors.Is(err, errGaps), errors.Is(err, errSick):
		return exitDegraded
	case errors.Is(err, ingest.ErrUnknownSession), errors.Is(err, errNoSession):
		return exitNotFound
	case errors.Is(err, errNotConfirmed):
		return exitRefused
	case errors.Is(err, raftfsm.ErrDiverged):
		return exitDiverged
	}
	switch status.Code(err) { // of what a miner was asked
	case codes.NotFound:
		return exitNotFound
	case codes.InvalidArgument:
		return exitInvalidInput
	case codes.Unavailable, codes.DeadlineExceeded:
		return exitUnreachable
	case codes.FailedPrecondition:
		return exitNoLeader
	case codes.Aborted:
		return exitRefused
	}
	return exitFailed
}

// usageError marks errors of the command line itself.
type usageError struct{ error }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "raftminer",
		Short:         "Relay mining for Pocket Network suppliers that survives the death of any process",
		Version:       raftfsm.BuildVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(minerCommand(), relayerCommand(), configCommand(), doctorCommand(), chainCommand(), redisCommand(), relayCommand())
	root.AddCommand(ledgerCommands()...)
	return root
}
