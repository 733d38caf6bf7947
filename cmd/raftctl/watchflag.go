package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

const (
	watchDefault = 2 * time.Second
	watchFastest = 100 * time.Millisecond

	clearScreen = "\x1b[H\x1b[2J"
)

// question is a verb that only looks: it may be asked again and again.
type question func(ctx context.Context, p printer) error

// asked runs ask once, or with --watch until it is interrupted.
func asked(o *options, cmd *cobra.Command, ask question) *cobra.Command {
	var interval time.Duration
	cmd.Flags().DurationVar(&interval, "watch", 0, "ask again and again, every 2s or as given (--watch=500ms)")
	cmd.Flags().Lookup("watch").NoOptDefVal = watchDefault.String()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case interval == 0 && !cmd.Flags().Changed("watch"):
			return ask(cmd.Context(), o.printer(cmd))
		case interval < watchFastest:
			return usageError{fmt.Errorf("--watch must be at least %s, not %s", watchFastest, interval)}
		}
		return watch(cmd, o, interval, ask)
	}
	return cmd
}

// watch ends only with ctx, or when no later round could do better: a group that
// has no leader for a while is what one watches for.
func watch(cmd *cobra.Command, o *options, interval time.Duration, ask question) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	screen := cmd.OutOrStdout()
	redraw := isTerminal(screen) && o.output == formatTable
	for {
		var page bytes.Buffer
		p := o.printer(cmd)
		p.out, p.round = &page, true
		if redraw {
			page.WriteString(clearScreen)
		}
		err := ask(cmd.Context(), p)
		if cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		if _, writeErr := screen.Write(page.Bytes()); writeErr != nil {
			return writeErr
		}
		if err != nil && hopeless(err) {
			return err
		}
		if err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "raftctl:", err)
		}
		select {
		case <-ticker.C:
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		}
	}
}

// hopeless errors come back however often one asks.
func hopeless(err error) bool {
	switch exitCode(err) {
	case exitDegraded, exitUnreachable, exitNoLeader:
		return false
	}
	return !errors.Is(err, context.Canceled)
}
