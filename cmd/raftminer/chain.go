package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/config"
)

// newChain makes the client of a configuration, which shares answers if there is where
// to. It does not talk to a node yet.
func newChain(cfg config.Chain, registry prometheus.Registerer, shared chain.Shared) (*chain.Client, error) {
	metrics, err := chain.NewMetrics(registry)
	if err != nil {
		return nil, err
	}
	uses := map[string]chain.Use{"read": chain.UseRead, "broadcast": chain.UseBroadcast}
	var nodes []chain.Node
	for _, n := range cfg.Nodes {
		nodes = append(nodes, chain.Node{RPC: n.RPC, GRPC: n.GRPC, Use: uses[n.Use]})
	}
	return chain.Dial(cfg.ID, nodes, chain.Options{Grace: cfg.Grace, Metrics: metrics, Shared: shared})
}

// checkChain refuses to work with a node of another chain. One that does not answer
// is no reason not to start: others may, and readiness tells.
func checkChain(client *chain.Client, log *zap.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	for _, c := range client.Check(ctx) {
		if errors.Is(c.Err, chain.ErrWrongChain) {
			return c.Err
		}
		if c.Err != nil {
			log.Warn("a full node does not answer", zap.Error(c.Err))
		}
	}
	return nil
}

// chainCommand looks at the chain as this configuration reaches it.
func chainCommand() *cobra.Command {
	var path, output string
	root := &cobra.Command{Use: "chain", Short: "Look at the full nodes"}
	root.PersistentFlags().StringVarP(&path, "config", "c", "raftminer.yaml", "configuration file")
	root.PersistentFlags().StringVarP(&output, "output", "o", "table", "table, json or csv")
	root.AddCommand(&cobra.Command{
		Use: "nodes", Short: "Ask every full node for its chain, its newest block and a query",
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return showNodes(cmd, path, output) },
	})
	return root
}

// nodeRow is a full node, and what is wrong with it.
type nodeRow struct {
	Setting string `json:"setting"`
	Host    string `json:"host"`
	Chain   string `json:"chain"`
	Height  int64  `json:"height"`
	Age     string `json:"block_age"`
	Millis  int64  `json:"took_ms"`
	Problem string `json:"problem"`
}

// errNodes: a full node cannot be used. The table says which and why.
var errNodes = errors.New("not every full node can be used")

func showNodes(cmd *cobra.Command, path, output string) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	cfg, err := config.Load(path, config.RoleAny)
	if err != nil {
		return err
	}
	client, err := newChain(cfg.Chain, prometheus.NewRegistry(), nil)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
	defer cancel()
	var rows []nodeRow
	var bad error
	for _, c := range client.Check(ctx) {
		row := nodeRow{Setting: c.Setting, Host: c.Host, Chain: c.ChainID, Height: c.Block.Height, Millis: c.Took.Milliseconds()}
		if !c.Block.Time.IsZero() {
			row.Age = time.Since(c.Block.Time).Round(100 * time.Millisecond).String()
		}
		if c.Err != nil {
			row.Problem, bad = c.Err.Error(), errNodes
		}
		rows = append(rows, row)
	}
	return errors.Join(show(cmd, output, rows), bad)
}
