package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// accountsTimeout bounds one look at the sessions of a group.
const accountsTimeout = time.Minute

// accounts asks the miner of a configuration, over its socket, for what became of
// sessions. The leader answers.
type accounts struct {
	config, output string
	request        adminpb.AccountsRequest
	since          string

	cfg   *config.Config
	conn  *grpc.ClientConn
	chain *chain.Client
}

// ledgerCommands tell what became of sessions.
func ledgerCommands() []*cobra.Command {
	return []*cobra.Command{
		accountSessionsCommand(), accountClaimsCommand(), explainCommand(), atRiskCommand(), auditCommand(), earningsCommand(),
	}
}

// command makes a verb that runs do once the miner can be asked.
func (a *accounts) command(cmd *cobra.Command, do func(ctx context.Context, cmd *cobra.Command, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.with(cmd, func(ctx context.Context) error { return do(ctx, cmd, args) })
	}
	cmd.Flags().StringVarP(&a.config, "config", "c", "raftminer.yaml", "configuration file of a miner on this host")
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "table, json or csv")
	return cmd
}

// filters adds the flags of what is looked at.
func (a *accounts) filters(cmd *cobra.Command, since string) {
	cmd.Flags().StringVar(&a.request.Supplier, "supplier", "", "only sessions of this supplier")
	cmd.Flags().StringVar(&a.request.Service, "service", "", "only sessions of this service")
	cmd.Flags().StringVar(&a.since, "since", since, "leave out sessions that ended before: a time ago (36h, 30d), a day (2006-01-02) or an instant (RFC 3339)")
}

func (a *accounts) with(cmd *cobra.Command, do func(ctx context.Context) error) (err error) {
	if err := checkOutput(a.output); err != nil {
		return err
	}
	if a.request.SinceUnix, err = sinceUnix(a.since, time.Now()); err != nil {
		return err
	}
	if a.cfg, err = config.Load(a.config, config.RoleMiner); err != nil {
		return err
	}
	if a.conn, err = raftfsm.DialAdmin("unix://"+filepath.Join(a.cfg.Miner.DataDir, "admin.sock"), nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.conn.Close()) }()
	if a.chain, err = newChain(a.cfg.Chain, prometheus.NewRegistry(), nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.chain.Close()) }()
	ctx, cancel := context.WithTimeout(cmd.Context(), accountsTimeout)
	defer cancel()
	return do(ctx)
}

// all are the accounts that the request is for, each once.
func (a *accounts) all(ctx context.Context) (list []*adminpb.SessionResponse, err error) {
	seen := make(map[chain.SessionKey]bool)
	a.request.PageToken = ""
	for {
		answer, err := adminpb.NewInspectClient(a.conn).Accounts(ctx, &a.request)
		if err != nil {
			return nil, err
		}
		for _, account := range answer.GetAccounts() {
			key := chain.SessionKey{Supplier: account.GetSession().GetSupplier(), SessionID: account.GetSession().GetSessionId()}
			if !seen[key] { // it was forgotten meanwhile, so it came from the ledger too
				list = append(list, account)
			}
			seen[key] = true
		}
		if a.request.PageToken = answer.GetNextPageToken(); a.request.PageToken == "" {
			return list, nil
		}
	}
}

// height is that of the newest block of any full node that answers.
func (a *accounts) height(ctx context.Context) (height int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, c := range a.chain.Check(ctx) {
		if c.Err != nil {
			err = errors.Join(err, c.Err)
		}
		height = max(height, c.Block.Height)
	}
	if height == 0 {
		return 0, err
	}
	return height, nil
}
