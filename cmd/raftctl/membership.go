package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// changed is the outcome of a change of membership.
type changed struct {
	ID     string `json:"id"`
	Change string `json:"change"`
}

// membership is a verb that changes who is in the group.
type membership struct {
	*options
	nonvoter bool
	force    bool
	wait     time.Duration
	tell     func(format string, args ...any) // of progress, on standard error
}

const waitDefault = 5 * time.Minute

// verb makes a command of act, which takes n arguments.
func (m *membership) verb(use, short string, n int, act func(ctx context.Context, args []string) (changed, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args:              exactArgs(n),
		ValidArgsFunction: completeMembers(m.options),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.tell = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			done, err := act(cmd.Context(), args)
			if err != nil {
				return err
			}
			return say(m.printer(cmd), done, "%s is %s", done.ID, done.Change)
		},
	}
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

func membershipCommands(o *options) []*cobra.Command {
	return []*cobra.Command{
		addCommand(o), joinCommand(o), promoteCommand(o), demoteCommand(o), removeCommand(o), replaceCommand(o),
		drainCommand(o, "drain", "drained", "Keep a member from leading while another can; if it leads, it hands over"),
		drainCommand(o, "undrain", "no longer drained", "Let a member lead again"),
	}
}

func addCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	cmd := m.verb("add ID ADDRESS", "Add a running node at its raft address: first without a vote, then, once it has caught up, with one", 2,
		func(ctx context.Context, args []string) (changed, error) {
			if err := m.add(ctx, args[0], args[1]); err != nil {
				return changed{}, err
			}
			return m.settle(ctx, args[0])
		})
	m.waitFlags(cmd)
	return cmd
}

func joinCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	cmd := m.verb("join ADDRESS", "Make the node that is asked join the group of the member at ADDRESS, a raft address", 1,
		func(ctx context.Context, args []string) (changed, error) {
			id, err := m.join(ctx, args[0])
			if err != nil {
				return changed{}, err
			}
			return m.settle(ctx, id)
		})
	m.waitFlags(cmd)
	return cmd
}

func (m *membership) waitFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.nonvoter, "nonvoter", false, "leave it without a vote")
	cmd.Flags().DurationVar(&m.wait, "wait", waitDefault, "give up when it has not caught up after")
}

func promoteCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	return m.verb("promote ID", "Give a member that has caught up a vote", 1,
		func(ctx context.Context, args []string) (changed, error) {
			return changed{args[0], "a voter"}, m.promote(ctx, args[0])
		})
}

func demoteCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	cmd := m.verb("demote ID", "Take a member's vote; it goes on following", 1,
		func(ctx context.Context, args []string) (changed, error) {
			return changed{args[0], "a nonvoter"}, m.demote(ctx, args[0])
		})
	m.forceFlag(cmd)
	return cmd
}

func removeCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	cmd := m.verb("remove ID", "Take a member out of the group; its data directory is barred for good", 1,
		func(ctx context.Context, args []string) (changed, error) {
			return changed{args[0], "removed"}, m.remove(ctx, args[0])
		})
	m.forceFlag(cmd)
	return cmd
}

func (m *membership) forceFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.force, "force", false, "also if the rest is then without a quorum")
}

func replaceCommand(o *options) *cobra.Command {
	m := &membership{options: o}
	cmd := m.verb("replace OLD NEW ADDRESS", "Put the running node NEW in the place of the member OLD; repeat it if it was interrupted", 3,
		func(ctx context.Context, args []string) (changed, error) {
			return changed{args[1], "a voter, " + args[0] + " is out"}, m.replace(ctx, args[0], args[1], args[2])
		})
	cmd.Flags().DurationVar(&m.wait, "wait", waitDefault, "give up when it has not caught up after")
	m.forceFlag(cmd)
	return cmd
}

func drainCommand(o *options, verb, change, short string) *cobra.Command {
	m := &membership{options: o}
	return m.verb(verb+" ID", short, 1, func(ctx context.Context, args []string) (changed, error) {
		return changed{args[0], change}, m.drain(ctx, args[0], verb == "drain")
	})
}
