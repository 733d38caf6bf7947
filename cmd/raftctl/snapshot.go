package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// snapshotPiece is how much of a file is sent in one message.
const snapshotPiece = 256 << 10

// savedSnapshot is what a saved file holds.
type savedSnapshot struct {
	File     string `json:"file"`
	Bytes    int    `json:"bytes"`
	Cluster  string `json:"cluster_id"`
	Sessions int    `json:"sessions"`
}

// restoredSnapshot is what a group was put back to.
type restoredSnapshot struct {
	File     string `json:"file"`
	Sessions uint64 `json:"sessions"`
	Intents  uint64 `json:"intents"`
}

func snapshotCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Save, restore and look into what the group has decided",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(saveCommand(o), restoreCommand(o), snapshotInspectCommand(o))
	return cmd
}

func saveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "save FILE",
		Short: "Write the leader's state to a new file",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			saved, err := ask(cmd.Context(), o, receiveSnapshot)
			if err != nil {
				return err
			}
			state, err := raftfsm.DecodeState(bytes.NewReader(saved))
			if err != nil {
				return fmt.Errorf("what was received: %w", err)
			}
			if err := writeNew(args[0], saved, 0o600); err != nil {
				return err
			}
			row := savedSnapshot{args[0], len(saved), state.ClusterID(), state.SessionCount()}
			return say(o.printer(cmd), row, "%s: %d bytes, cluster %s, %d sessions", row.File, row.Bytes, row.Cluster, row.Sessions)
		},
	}
}

func receiveSnapshot(ctx context.Context, c adminpb.AdminClient) ([]byte, error) {
	stream, err := c.SaveSnapshot(ctx, &adminpb.SaveSnapshotRequest{})
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return content.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		content.Write(chunk.GetData())
	}
}

func restoreCommand(o *options) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put the whole group back to a saved state, and pass leadership on",
		Long: "Put the whole group back to a saved state, and pass leadership on.\n\n" +
			"A state that lacks what was decided since is refused: claims and proofs could be sent twice. " +
			"What members and epochs there are stays as it is.",
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(filepath.Clean(args[0]))
			if err != nil {
				return err
			}
			if _, err := raftfsm.DecodeState(bytes.NewReader(content)); err != nil {
				return invalidError{fmt.Errorf("%s: %w", args[0], err)}
			}
			done, err := act(cmd.Context(), o, func(ctx context.Context, c adminpb.AdminClient) (*adminpb.RestoreSnapshotResponse, error) {
				return sendSnapshot(ctx, c, content, force)
			})
			if err != nil {
				return err
			}
			row := restoredSnapshot{args[0], done.GetSessions(), done.GetIntents()}
			return say(o.printer(cmd), row, "the group is as in %s: %d sessions, %d intents", row.File, row.Sessions, row.Intents)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if decisions are undone by it")
	return cmd
}

func sendSnapshot(ctx context.Context, c adminpb.AdminClient, content []byte, force bool) (*adminpb.RestoreSnapshotResponse, error) {
	stream, err := c.RestoreSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	for from := 0; from < len(content); from += snapshotPiece {
		piece := content[from:min(from+snapshotPiece, len(content))]
		err := stream.Send(&adminpb.SnapshotChunk{Data: piece, Force: force})
		if errors.Is(err, io.EOF) {
			break // refused: the answer says why
		}
		if err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}
