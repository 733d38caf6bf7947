package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// errDifferent: members of one group hold different states.
var errDifferent = errors.New("states differ")

// The verdicts on a member.
const (
	verdictEqual     = "equal"
	verdictDifferent = "different"
	verdictNoAnswer  = "no answer"
)

// memberHash is the state of one member at one index of the log.
type memberHash struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Suffrage string `json:"suffrage"`
	Leader   bool   `json:"leader"`
	Index    uint64 `json:"index"`
	Verdict  string `json:"verdict"`
	Hash     string `json:"hash"`
	Detail   string `json:"detail"`
}

func verifyCommand(o *options) *cobra.Command {
	return asked(o, &cobra.Command{
		Use:   "verify",
		Short: "Prove that all members hold the same state at one index of the log",
		Long: `Prove that all members hold the same state at one index of the log: the leader marks an index, every member
hashes its state there. Ends with 1 if a member's state differs from the leader's, with 3 if one did not answer.

The leader does this by itself every minute. A member that differs stops with exit code 70, before it can act on
what it holds; if most voters differ from the leader, the leader stops. The way back: remove the member from the
group, wipe its data directory, add it again.`,
		Args: noArgs,
	}, func(ctx context.Context, p printer) error {
		answer, err := askInspect(ctx, o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.VerifyResponse, error) {
			return c.Verify(ctx, &adminpb.VerifyRequest{})
		})
		if err != nil {
			return err
		}
		rows := judge(answer)
		if err := list(p, rows); err != nil {
			return err
		}
		return verdict(rows)
	})
}

// judge holds every member's answer against the leader's.
func judge(answer *adminpb.VerifyResponse) []memberHash {
	var rows []memberHash
	for _, m := range answer.GetMembers() {
		row := memberHash{
			ID: m.GetId(), Address: m.GetAddress(), Suffrage: m.GetSuffrage(), Leader: m.GetLeader(),
			Index: answer.GetIndex(), Hash: hex.EncodeToString(m.GetHash()), Detail: m.GetError(),
		}
		switch {
		case m.GetError() != "":
			row.Verdict = verdictNoAnswer
		case bytes.Equal(m.GetHash(), answer.GetHash()):
			row.Verdict = verdictEqual
		default:
			row.Verdict = verdictDifferent
		}
		rows = append(rows, row)
	}
	return rows
}

// verdict is the worst of all members'.
func verdict(rows []memberHash) error {
	named := make(map[string][]string)
	for _, r := range rows {
		named[r.Verdict] = append(named[r.Verdict], r.ID)
	}
	if different := named[verdictDifferent]; len(different) > 0 {
		return fmt.Errorf("%w: at entry %d, %s from the leader's", errDifferent, rows[0].Index, strings.Join(different, ", "))
	}
	if silent := named[verdictNoAnswer]; len(silent) > 0 {
		return fmt.Errorf("%w: no answer from %s", errDegraded, strings.Join(silent, ", "))
	}
	return nil
}
