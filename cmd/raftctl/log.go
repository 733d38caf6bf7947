package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// pollLog is how often a member is asked for what is new.
const pollLog = 200 * time.Millisecond

// logEntry is one entry of the replicated log.
type logEntry struct {
	Index    uint64 `json:"index"`
	Term     uint64 `json:"term"`
	Appended string `json:"appended"`
	Type     string `json:"type" table:"-"`
	Kind     string `json:"kind"`
	Size     uint32 `json:"size_bytes"`
	Summary  string `json:"summary"`
}

func newLogEntry(e *adminpb.LogEntry) logEntry {
	kind := e.GetKind()
	if kind == "" {
		kind = e.GetType()
	}
	return logEntry{
		Index: e.GetIndex(), Term: e.GetTerm(), Appended: timestamp(e.GetAppendedUnixMs()), Type: e.GetType(), Kind: kind,
		Size: e.GetSize(), Summary: e.GetSummary(),
	}
}

func logCommand(o *options) *cobra.Command {
	log := &cobra.Command{
		Use:   "log",
		Short: "Look into the replicated log",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	log.AddCommand(logTailCommand(o))
	return log
}

func logTailCommand(o *options) *cobra.Command {
	var count uint32
	var from uint64
	var follow bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the end of the log of one member, as far as it is committed",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if count == 0 {
				return usageError{fmt.Errorf("-n must be at least 1")}
			}
			entries, next, err := readLog(cmd.Context(), o, cmd, from, count)
			if err != nil {
				return err
			}
			if !follow {
				return list(o.printer(cmd), entries)
			}
			return followLog(cmd, o, entries, next)
		},
	}
	cmd.Flags().Uint32VarP(&count, "number", "n", 20, "so many entries")
	cmd.Flags().Uint64Var(&from, "from", 0, "begin with this index instead of the end")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added, until interrupted")
	return cmd
}

func followLog(cmd *cobra.Command, o *options, entries []logEntry, next uint64) error {
	out := stream[logEntry]{printer: o.printer(cmd)}
	for {
		if err := out.print(entries...); err != nil {
			return err
		}
		select {
		case <-time.After(pollLog):
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		}
		fresh, following, err := readLog(cmd.Context(), o, cmd, next, 0)
		if err != nil && hopeless(err) {
			return err
		}
		if entries = nil; err == nil {
			entries, next = fresh, following
		}
	}
}

// readLog is a stretch of the log, and where the next begins. What was compacted is
// named, not passed over in silence.
func readLog(ctx context.Context, o *options, cmd *cobra.Command, from uint64, limit uint32) ([]logEntry, uint64, error) {
	answer, err := askInspect(ctx, o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.LogResponse, error) {
		return c.Log(ctx, &adminpb.LogRequest{From: from, Limit: limit})
	})
	if err != nil {
		return nil, 0, err
	}
	if first := answer.GetFirstIndex(); from > 0 && from < first {
		fmt.Fprintf(cmd.ErrOrStderr(), "raftctl: entries %d to %d were compacted, they are in snapshots only\n", from, first-1)
	}
	next := max(from, answer.GetCommitIndex()+1)
	var rows []logEntry
	for _, e := range answer.GetEntries() {
		rows = append(rows, newLogEntry(e))
		next = e.GetIndex() + 1
	}
	return rows, next, nil
}
