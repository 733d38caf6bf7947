package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// health is the state of the group, as the asked member found it.
type health struct {
	Quorum           bool           `json:"quorum"`
	FailureTolerance uint32         `json:"failure_tolerance"` // voters that may still fail
	Warnings         []string       `json:"warnings"`
	Members          []memberHealth `json:"members"`
}

// memberHealth is what a member says of itself.
type memberHealth struct {
	ID            string  `json:"id"`
	Address       string  `json:"address"`
	Suffrage      string  `json:"suffrage"`
	State         string  `json:"state"`
	LeaderID      string  `json:"leader_id" table:"-"`
	Term          uint64  `json:"term"`
	Generation    uint64  `json:"generation" table:"-"`
	LastContactMS int64   `json:"last_contact_ms"`
	AppliedIndex  uint64  `json:"applied_index"`
	LastIndex     uint64  `json:"last_index" table:"-"`
	FsyncP50MS    float64 `json:"fsync_p50_ms" table:"-"`
	FsyncP99MS    float64 `json:"fsync_p99_ms"`
	DiskFreeBytes uint64  `json:"disk_free_bytes" table:"-"`
	RTTMS         float64 `json:"rtt_ms"`
	Version       string  `json:"version" table:"-"`
	ConfigHash    string  `json:"config_hash" table:"-"`
	Instance      string  `json:"instance" table:"-"`
	Drained       bool    `json:"drained"`
	Waiting       string  `json:"waiting" table:"-"`
	Error         string  `json:"error" table:"-"`
}

func healthCommand(o *options) *cobra.Command {
	return asked(o, &cobra.Command{
		Use:   "health",
		Short: "Ask every member how it is; exits 3 if something needs attention, 7 without a quorum",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		h, err := ask(ctx, o, askHealth)
		if err != nil {
			return err
		}
		if err := printHealth(p, h); err != nil {
			return err
		}
		switch {
		case !h.Quorum:
			return errNoLeader
		case len(h.Warnings) > 0:
			return fmt.Errorf("%w: %d things need attention", errDegraded, len(h.Warnings))
		}
		return nil
	})
}

func printHealth(p printer, h health) error {
	if p.format == formatCSV {
		return list(p, h.Members)
	}
	if p.format != formatTable {
		return record(p, h)
	}
	if err := list(p, h.Members); err != nil {
		return err
	}
	for _, w := range h.Warnings {
		if _, err := fmt.Fprintln(p.out, "!", w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.out, "quorum %t, %d more voters may fail\n", h.Quorum, h.FailureTolerance)
	return err
}

func askHealth(ctx context.Context, c adminpb.AdminClient) (health, error) {
	answer, err := c.Health(ctx, &adminpb.HealthRequest{})
	if err != nil {
		return health{}, err
	}
	h := health{
		Quorum: answer.GetQuorum(), FailureTolerance: answer.GetFailureTolerance(),
		Warnings: append([]string{}, answer.GetWarnings()...), Members: []memberHealth{},
	}
	for _, m := range answer.GetMembers() {
		h.Members = append(h.Members, memberHealth{
			ID: m.GetId(), Address: m.GetAddress(), Suffrage: m.GetSuffrage(), State: m.GetState(),
			LeaderID: m.GetLeaderId(), Term: m.GetTerm(), Generation: m.GetGeneration(),
			LastContactMS: m.GetLastContactMs(), AppliedIndex: m.GetAppliedIndex(), LastIndex: m.GetLastIndex(),
			FsyncP50MS: m.GetFsyncP50Ms(), FsyncP99MS: m.GetFsyncP99Ms(), DiskFreeBytes: m.GetDiskFreeBytes(),
			RTTMS: m.GetRttMs(), Version: m.GetVersion(), ConfigHash: m.GetConfigHash(), Instance: m.GetInstance(),
			Drained: m.GetDrained(), Waiting: m.GetWaiting(), Error: m.GetError(),
		})
	}
	return h, nil
}
