package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// pollEvents is how often a member is asked what happened.
const pollEvents = 250 * time.Millisecond

// event is something that happened. Those with an index come from the log: they are
// the same on every member, and can be gone on from with --after.
type event struct {
	Index     uint64 `json:"index,omitempty"`
	Event     string `json:"event"`
	Supplier  string `json:"supplier,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	Intent    string `json:"intent,omitempty"`
	Member    string `json:"member,omitempty"`
	Epoch     string `json:"epoch,omitempty"`
	Detail    string `json:"detail,omitempty"`
	// Of events_missed: the first and the last index of which nothing is known.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
}

func watchCommand(o *options) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Tell what happens, a line of JSON for each event, until interrupted",
		Long: `Tell what happens, a line of JSON for each event, until interrupted.

Events with an index come from the log, each once: epoch_opened, session_sealed, _claimed, _proved, _settled,
_expired, _skipped, _lost, intent_pending, _landed, _dead, member_added, _removed, _promoted, _demoted, _moved,
_drained, _undrained. The others are what is seen meanwhile: leader_changed, unreachable, reachable, and
events_missed with the range of the log that no member could tell of any more.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := o.printer(cmd)
			if !cmd.Flags().Changed("output") {
				p.format = formatLines
			}
			w := &watcher{o: o, out: stream[event]{printer: p}, after: after, latest: !cmd.Flags().Changed("after")}
			return w.run(cmd.Context())
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "begin behind this index of the log instead of now")
	return cmd
}

// watcher asks for events, over and over.
type watcher struct {
	o   *options
	out stream[event]

	after  uint64 // everything up to here was told
	latest bool   // begin where the log ends
	leader *string
	down   bool
}

func (w *watcher) run(ctx context.Context) error {
	for {
		more, err := w.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-time.After(pollEvents):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// round asks once. more says that there is more to be had at once.
func (w *watcher) round(ctx context.Context) (more bool, err error) {
	request := &adminpb.EventsRequest{After: w.after, Latest: w.latest}
	answer, err := askInspect(ctx, w.o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.EventsResponse, error) {
		return c.Events(ctx, request)
	})
	if err != nil && hopeless(err) {
		return false, err
	}
	if err := w.reach(ctx, err); err != nil || answer == nil {
		return false, err
	}
	return w.tell(answer)
}

// reach tells when the members stop to answer, and when they begin again.
func (w *watcher) reach(ctx context.Context, failure error) error {
	if ctx.Err() != nil || (failure != nil) == w.down {
		return nil
	}
	w.down = failure != nil
	if w.down {
		return w.out.print(event{Event: "unreachable", Detail: failure.Error()})
	}
	return w.out.print(event{Event: "reachable"})
}

func (w *watcher) tell(answer *adminpb.EventsResponse) (more bool, err error) {
	if leader := answer.GetLeaderId(); w.leader == nil || *w.leader != leader {
		w.leader = &leader
		if err := w.out.print(event{Event: "leader_changed", Member: leader}); err != nil {
			return false, err
		}
	}
	if to := answer.GetCompleteAfter(); to > w.after && !w.latest {
		if err := w.out.print(event{Event: "events_missed", From: w.after + 1, To: to}); err != nil {
			return false, err
		}
		w.after = to
	}
	for _, e := range answer.GetEvents() {
		if e.GetIndex() <= w.after {
			continue
		}
		err := w.out.print(event{
			Index: e.GetIndex(), Event: e.GetEvent(), Supplier: e.GetSupplier(), SessionID: e.GetSessionId(),
			Intent: e.GetIntent(), Member: e.GetMember(), Epoch: e.GetEpoch(), Detail: e.GetDetail(),
		})
		if err != nil {
			return false, err
		}
	}
	if answer.GetLeaderId() == "" {
		w.o.skip() // a member that was cut off hears of nothing; another may
	}
	w.latest, w.after = false, max(w.after, answer.GetUpTo())
	return len(answer.GetEvents()) > 0, nil
}
