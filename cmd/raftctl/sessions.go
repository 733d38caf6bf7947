package main

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// session is one session of one supplier, as the group knows it.
type session struct {
	Supplier     string `json:"supplier"`
	SessionID    string `json:"session_id"`
	Service      string `json:"service"`
	Stage        string `json:"stage"`
	Relays       uint64 `json:"relays"`
	ComputeUnits uint64 `json:"compute_units"`
	EndHeight    int64  `json:"end_height"`
	Proof        string `json:"proof"`
	Upokt        uint64 `json:"upokt"`
	Reason       string `json:"reason"`
	Application  string `json:"application" table:"-"`
	StartHeight  int64  `json:"start_height" table:"-"`
	Seq          uint64 `json:"seq" table:"-"`
	Root         string `json:"root" table:"-"`
	ClaimHeight  int64  `json:"claim_height" table:"-"`
	ProofHeight  int64  `json:"proof_height" table:"-"`
	EndedHeight  int64  `json:"ended_height" table:"-"`
	// The miners that keep the leaves of the sealed tree.
	Archives []string `json:"archives" table:"-"`
}

func newSession(r *adminpb.SessionRecord) session {
	return session{
		Supplier: r.GetSupplier(), SessionID: r.GetSessionId(), Service: r.GetService(), Stage: r.GetStage(),
		Relays: r.GetRelays(), ComputeUnits: r.GetComputeUnits(), EndHeight: r.GetEndHeight(), Proof: r.GetProof(),
		Upokt: r.GetUpokt(), Reason: r.GetReason(), Application: r.GetApplication(), StartHeight: r.GetStartHeight(),
		Seq: r.GetSeq(), Root: hex.EncodeToString(r.GetRoot()), ClaimHeight: r.GetClaimHeight(),
		ProofHeight: r.GetProofHeight(), EndedHeight: r.GetEndedHeight(),
		Archives: append([]string{}, r.GetArchives()...),
	}
}

func sessionsCommand(o *options) *cobra.Command {
	filter, limit := &adminpb.SessionsRequest{}, 0
	cmd := asked(o, &cobra.Command{
		Use:   "sessions",
		Short: "List the sessions that the group knows, by supplier and session id",
		Args:  noArgs,
	}, func(ctx context.Context, p printer) error {
		rows, err := askSessions(ctx, o, filter, limit)
		if err != nil {
			return err
		}
		return list(p, rows)
	})
	cmd.Flags().StringVar(&filter.Supplier, "supplier", "", "only those of this supplier")
	cmd.Flags().StringVar(&filter.Service, "service", "", "only those of this service")
	cmd.Flags().StringVar(&filter.Stage, "stage", "", "only those at this stage: active, sealed, claimed, proved, settled, expired, skipped, lost")
	limitFlag(cmd, &limit)
	return cmd
}

func limitFlag(cmd *cobra.Command, limit *int) {
	cmd.Flags().IntVar(limit, "limit", 0, "at most so many, 0: all")
}

func askSessions(ctx context.Context, o *options, filter *adminpb.SessionsRequest, limit int) ([]session, error) {
	return pages(limit, func(token string) ([]session, string, error) {
		filter.PageToken = token
		answer, err := askInspect(ctx, o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.SessionsResponse, error) {
			return c.Sessions(ctx, filter)
		})
		if err != nil {
			return nil, "", err
		}
		var rows []session
		for _, r := range answer.GetSessions() {
			rows = append(rows, newSession(r))
		}
		return rows, answer.GetNextPageToken(), nil
	})
}

// pages gathers rows until there are limit of them, or no more.
func pages[T any](limit int, next func(token string) ([]T, string, error)) ([]T, error) {
	var all []T
	for token := ""; ; {
		rows, following, err := next(token)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if following == "" {
			return all, nil
		}
		token = following
	}
}

// sessionDetail is a session with everything that was decided for it.
type sessionDetail struct {
	session
	Intents []intent `json:"intents"`
}

func sessionCommand(o *options) *cobra.Command {
	var key string
	cmd := asked(o, &cobra.Command{
		Use:   "session SUPPLIER/SESSION_ID",
		Short: "Show one session with every transaction that was decided for it",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			key = args[0]
			return nil
		},
		ValidArgsFunction: completeSessions(o),
	}, func(ctx context.Context, p printer) error { return showSession(ctx, o, key, p) })
	return cmd
}

func showSession(ctx context.Context, o *options, name string, p printer) error {
	key, err := raftfsm.ParseSessionName(name)
	if err != nil {
		return usageError{err}
	}
	answer, err := askInspect(ctx, o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.SessionResponse, error) {
		return c.Session(ctx, &adminpb.SessionRequest{Supplier: key.Supplier, SessionId: key.SessionID})
	})
	if err != nil {
		return err
	}
	found := sessionDetail{session: newSession(answer.GetSession()), Intents: []intent{}}
	for _, i := range answer.GetIntents() {
		found.Intents = append(found.Intents, newIntent(i))
	}
	switch p.format {
	case formatJSON, formatLines:
		return json.NewEncoder(p.out).Encode(found)
	case formatCSV:
		return record(p, found.session)
	}
	if err := record(p, found.session); err != nil {
		return err
	}
	return list(p, found.Intents)
}

// completeSessions offers the names of sessions to the shell.
func completeSessions(o *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		rows, err := askSessions(cmd.Context(), o, &adminpb.SessionsRequest{}, completionLimit)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, r := range rows {
			names = append(names, r.Supplier+"/"+r.SessionID)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionLimit keeps a shell from being flooded.
const completionLimit = 200
