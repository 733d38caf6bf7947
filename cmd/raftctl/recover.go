package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
)

// recovered is what an offline recovery did.
type recovered struct {
	ID          string   `json:"id"`
	Address     string   `json:"address"`
	Backup      string   `json:"backup"`
	Index       uint64   `json:"index"`
	Generation  uint64   `json:"generation"`
	Sessions    int      `json:"sessions"`
	OpenIntents int      `json:"open_intents"`
	Left        []string `json:"left"` // members that were left behind
}

// errNotConfirmed is the refusal of a recovery that nobody confirmed.
var errNotConfirmed = errors.New("this gives up on the other members for good and cannot be undone; say --yes if they will not come back")

func recoverCommand(o *options) *cobra.Command {
	var dataDir, address, backup string
	var yes bool
	cmd := &cobra.Command{
		Use:   "recover --data-dir DIR --yes",
		Short: "Offline, after most members are gone for good: make this stopped member a group of its own",
		Long: "Offline, after most members are gone for good: make this stopped member a group of its own.\n\n" +
			"Use the member that is furthest (raftctl status before it was stopped, or the last index that recover\n" +
			"prints). A copy of the data directory is made first. What only the lost members knew is lost.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case dataDir == "":
				return usageError{errors.New("--data-dir is missing")}
			case !yes:
				return errNotConfirmed
			}
			if backup == "" {
				backup = filepath.Clean(dataDir) + ".before-recovery-" + time.Now().UTC().Format("20060102T150405Z")
			}
			r, err := raftfsm.Recover(dataDir, address, backup)
			if err != nil {
				return err
			}
			row := recovered{r.NodeID, r.Address, r.Backup, r.Index, r.Generation, r.Sessions, r.OpenIntents, append([]string{}, r.Left...)}
			if o.output != formatTable {
				return record(o.printer(cmd), row)
			}
			return printRecovered(cmd, row)
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "miner.data_dir of the member, which must not run")
	cmd.Flags().StringVar(&address, "address", "", "its raft address from now on; the one it had if empty")
	cmd.Flags().StringVar(&backup, "backup", "", "where the copy goes; beside the data directory if empty")
	cmd.Flags().BoolVar(&yes, "yes", false, "the other members will not come back")
	return cmd
}

// printRecovered says what to do next, to the letter.
func printRecovered(cmd *cobra.Command, r recovered) error {
	out := cmd.OutOrStdout()
	_, err := fmt.Fprintf(out, `%s is a group of one in generation %d, with %d sessions and %d open transactions up to log entry %d.
A copy of what was there before is in %s.

What to do now:
  1. Start the miner %s. It leads within seconds: raftctl status
`, r.ID, r.Generation, r.Sessions, r.OpenIntents, r.Index, r.Backup, r.ID)
	for i, id := range r.Left {
		if err == nil {
			_, err = fmt.Fprintf(out, "  %d. On %s: stop the miner, empty its miner.data_dir, start it. Then: raftctl add %s ADDRESS\n", i+2, id, id)
		}
	}
	return err
}
