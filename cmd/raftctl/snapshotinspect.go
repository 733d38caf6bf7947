package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
)

// snapshotContent is what is in a snapshot.
type snapshotContent struct {
	File       string         `json:"file"`
	SizeBytes  int64          `json:"size_bytes"`
	SHA256     string         `json:"sha256"` // of the file
	ClusterID  string         `json:"cluster_id"`
	Partitions int            `json:"partitions"`
	Generation uint64         `json:"generation"`
	Epoch      string         `json:"epoch"`
	Owner      string         `json:"owner"`
	Members    []string       `json:"members"`
	Sessions   map[string]int `json:"sessions"` // by stage
	Intents    map[string]int `json:"intents"`  // by kind and status
}

func snapshotInspectCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE",
		Short: "Check a snapshot and show what is in it; needs no miner",
		Long: `Check a snapshot and show what is in it; needs no miner. FILE is what raftctl snapshot save wrote, or
DATA_DIR/snapshots/*/state.bin of a member.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := inspectSnapshot(args[0])
			if err != nil {
				return err
			}
			return record(o.printer(cmd), content)
		},
	}
}

func inspectSnapshot(path string) (_ snapshotContent, err error) {
	file, err := os.Open(path)
	if err != nil {
		return snapshotContent{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return snapshotContent{}, err
	}
	if info.IsDir() {
		return snapshotContent{}, invalidError{fmt.Errorf("%s is a directory: name the state.bin in it", path)}
	}
	digest := sha256.New()
	state, err := raftfsm.DecodeState(io.TeeReader(file, digest))
	if err != nil {
		return snapshotContent{}, invalidError{fmt.Errorf("%s: %w", path, err)}
	}
	epoch, owner := state.Epoch()
	content := snapshotContent{
		File: path, SizeBytes: info.Size(), SHA256: hex.EncodeToString(digest.Sum(nil)),
		ClusterID: state.ClusterID(), Partitions: state.Partitions(), Generation: state.Generation(), Owner: owner,
		Sessions: make(map[string]int), Intents: make(map[string]int),
	}
	if !epoch.IsZero() {
		content.Epoch = epoch.String()
	}
	for _, e := range state.Enrolments() {
		content.Members = append(content.Members, e.NodeID)
	}
	for stage, n := range state.StageCounts() {
		content.Sessions[stage.String()] = n
	}
	for i := range state.Intents() {
		content.Intents[i.Kind.String()+" "+i.Status.String()]++
	}
	return content, nil
}
