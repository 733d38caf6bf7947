package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
)

// doctorTime bounds the questions about thousands of suppliers.
const doctorTime = 2 * time.Minute

// errSick: the doctor found something. The table says what.
var errSick = errors.New("not everything is well")

// finding is one thing that is wrong, in a sentence.
type finding struct {
	About   string `json:"about"`
	Subject string `json:"subject"`
	Problem string `json:"problem"`
}

func doctorCommand() *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what is wrong with the keys, the certificates, the suppliers on chain, the full nodes and Redis",
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, path, output) },
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func runDoctor(cmd *cobra.Command, path, output string) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	cfg, err := config.Load(path, config.RoleAny)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), doctorTime)
	defer cancel()
	findings, keys := examineKeys(cfg.Keys)
	onChain, err := examineChain(ctx, cfg, keys)
	if err != nil {
		return err
	}
	findings = slices.Concat(findings, examineDoors(cfg.Relayer), onChain, examineRedis(ctx, cfg.Redis))
	if len(findings) == 0 && output == "table" {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "all is well: %d keys, %d full nodes, Redis\n", len(keys), len(cfg.Chain.Nodes))
		return err
	}
	if err := show(cmd, output, findings); err != nil || len(findings) == 0 {
		return err
	}
	return errSick
}

func examineKeys(k config.Keys) (findings []finding, keys chain.Keys) {
	add := func(subject, problem string) { findings = append(findings, finding{"keys", subject, problem}) }
	found := keystore.Load(keySources(k))
	for _, p := range found.Problems {
		add(p.Setting, p.Err.Error())
	}
	for _, sentence := range found.Twice {
		add("", sentence)
	}
	for _, warning := range keyFileWarnings(k) {
		add(warning.File, warning.Message)
	}
	for _, address := range k.Retired {
		if _, ok := found.Keys[address]; !ok {
			add("keys.retired", address+" is in no source: take it off the list, unless its sessions are still open")
		}
		delete(found.Keys, address)
	}
	return findings, found.Keys
}

// examineChain asks about the suppliers too, if any node can be asked.
func examineChain(ctx context.Context, cfg *config.Config, keys chain.Keys) (findings []finding, err error) {
	client, err := newChain(cfg.Chain, prometheus.NewRegistry(), nil)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	askCtx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, c := range client.Check(askCtx) {
		if c.Err != nil {
			findings = append(findings, finding{"full node", c.Host, c.Err.Error()})
		}
	}
	lacks, err := keystore.Check(ctx, client, slices.Sorted(maps.Keys(keys)), slices.Collect(maps.Keys(cfg.Services)))
	if err != nil {
		return append(findings, finding{"suppliers", "", err.Error()}), nil
	}
	for _, lack := range lacks {
		findings = append(findings, finding{"supplier", lack.Supplier, lack.Sentence})
	}
	return findings, nil
}

func examineRedis(ctx context.Context, cfg config.Redis) []finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	rdb, err := newRedis(cfg)
	if err != nil {
		return []finding{{"redis", "", err.Error()}}
	}
	defer rdb.Close()
	warnings, err := ingest.Check(ctx, rdb)
	if err != nil {
		return []finding{{"redis", "", err.Error()}}
	}
	var findings []finding
	for _, w := range warnings {
		findings = append(findings, finding{"redis", w.Name, w.Setting + ": " + w.Cost})
	}
	return findings
}
