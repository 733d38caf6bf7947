package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/ingest"
)

// errNotConfirmed: nothing was changed.
var errNotConfirmed = errors.New("not confirmed: nothing was changed")

type flushRow struct {
	Namespace string `json:"namespace"`
	Removed   int    `json:"removed"`
}

// flushCommand is the one that changes something.
func (v *redisView) flushCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "flush", Short: "Remove every key of this cluster: relays, trees and fences",
		Long: "Remove every key of this cluster: relays, trees and fences. Relays that no relayer's spool holds are lost;\n" +
			"what is sealed is still claimed and proven from the archives. Keys of other clusters are left alone.",
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.with(cmd, func(ctx context.Context) error { return v.flush(ctx, cmd, yes) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (v *redisView) flush(ctx context.Context, cmd *cobra.Command, yes bool) error {
	if !yes {
		fmt.Fprintf(cmd.ErrOrStderr(), "This removes all relays and trees of %s that are in Redis. Type the namespace to go on: ", v.names.Namespace())
		if err := confirmed(cmd, v.names.Namespace()); err != nil {
			return err
		}
	}
	removed, err := ingest.RemoveAll(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	return show(cmd, v.output, []flushRow{{Namespace: v.names.Namespace(), Removed: removed}})
}

// confirmed reads a line, which must be the word that was asked for.
func confirmed(cmd *cobra.Command, word string) error {
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // no line is no confirmation
	if strings.TrimSpace(line) != word {
		return errNotConfirmed
	}
	return nil
}
