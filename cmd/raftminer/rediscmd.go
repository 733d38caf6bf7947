package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
)

// redisTimeout bounds one inspection.
const redisTimeout = time.Minute

// redisView is a look at the Redis of a configuration.
type redisView struct {
	config, output string
	rdb            redis.UniversalClient
	names          ingest.Keys
}

// redisCommand inspects Redis. All but flush change nothing.
func redisCommand() *cobra.Command {
	v := &redisView{}
	root := &cobra.Command{Use: "redis", Short: "Look at what Redis holds"}
	root.PersistentFlags().StringVarP(&v.config, "config", "c", "raftminer.yaml", "configuration file")
	root.PersistentFlags().StringVarP(&v.output, "output", "o", "table", "table, json or csv")
	root.AddCommand(
		v.verb("leader", "The epoch and owner that fence the partitions", 0, v.leader),
		v.verb("partitions", "Fence, cursor and sessions of every partition", 0, v.partitions),
		v.verb("streams", "Length and age of every stream of relays", 0, v.streams),
		v.verb("sessions", "Every session with a stored tree", 0, v.sessions),
		v.verb("supplier", "Sessions and relays of every supplier, or of one: supplier [ADDRESS]", 1, v.supplier),
		v.verb("meter", "Budget of every session that relayers serve, in relays, or of one supplier's: meter [ADDRESS]", 1, v.meter),
		v.smstCommand(),
		v.verb("cache", "What relayers share in Redis beside relays, and what losing it costs", 0, v.cache),
		submissionsCommand(), v.pubsubCommand(),
		v.verb("keys", "Number and memory of keys by kind", 0, v.keys),
		v.flushCommand())
	return root
}

func (v *redisView) verb(use, short string, most int, show func(ctx context.Context, cmd *cobra.Command, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(most)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.with(cmd, func(ctx context.Context) error { return show(ctx, cmd, args) })
		},
	}
}

// with connects for one command.
func (v *redisView) with(cmd *cobra.Command, do func(ctx context.Context) error) error {
	if err := checkOutput(v.output); err != nil {
		return err
	}
	cfg, err := config.Load(v.config, config.RoleAny)
	if err != nil {
		return err
	}
	if v.rdb, err = newRedis(cfg.Redis); err != nil {
		return err
	}
	defer v.rdb.Close()
	v.names = namesOf(cfg)
	ctx, cancel := context.WithTimeout(cmd.Context(), redisTimeout)
	defer cancel()
	return do(ctx)
}

func namesOf(cfg *config.Config) ingest.Keys {
	return ingest.NewKeys(cfg.Redis.Namespace.BasePrefix, cfg.Chain.ID, cfg.Cluster.ID, cfg.Cluster.Partitions)
}

type fence struct {
	Epoch      string `json:"epoch"`
	Owner      string `json:"owner"`
	Partitions int    `json:"partitions"`
}

func (v *redisView) leader(ctx context.Context, cmd *cobra.Command, _ []string) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	var fences []fence
	for _, info := range infos {
		at := -1
		for i := range fences {
			if fences[i].Epoch == info.Epoch && fences[i].Owner == info.Owner {
				at = i
			}
		}
		if at < 0 {
			fences = append(fences, fence{Epoch: info.Epoch, Owner: info.Owner})
			at = len(fences) - 1
		}
		fences[at].Partitions++
	}
	return show(cmd, v.output, fences)
}

func (v *redisView) partitions(ctx context.Context, cmd *cobra.Command, _ []string) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	return show(cmd, v.output, infos)
}

type streamRow struct {
	Partition int    `json:"partition"`
	Key       string `json:"key"`
	Entries   int64  `json:"entries"`
	Newest    string `json:"newest"`
	Cursor    string `json:"cursor"`
	BehindMs  int64  `json:"behind_ms"` // between the cursor and the newest relay; 0: all is in trees
	Bytes     int64  `json:"bytes"`
}

func (v *redisView) streams(ctx context.Context, cmd *cobra.Command, _ []string) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	var rows []streamRow
	for _, info := range infos {
		row := streamRow{
			Partition: info.Partition, Key: v.names.Stream(info.Partition), Entries: info.Entries, Newest: info.Newest, Cursor: info.Cursor,
			Bytes: v.rdb.MemoryUsage(ctx, v.names.Stream(info.Partition)).Val(), // 0 for one that is not there
		}
		newest, any := ingest.Entered(info.Newest)
		if cursor, stored := ingest.Entered(info.Cursor); any && stored && info.Waiting {
			row.BehindMs = newest.Sub(cursor).Milliseconds()
		}
		rows = append(rows, row)
	}
	return show(cmd, v.output, rows)
}

type sessionRow struct {
	Supplier   string `json:"supplier"`
	Session    string `json:"session"`
	Service    string `json:"service"`
	End        int64  `json:"session_end"`
	Partition  int    `json:"partition"`
	Seq        uint64 `json:"seq"`
	Sealed     bool   `json:"sealed"`
	Relays     uint64 `json:"relays"`
	ComputeSum uint64 `json:"compute_units"`
	Root       string `json:"root"`
}

func rowOf(h ingest.Head, partition int) sessionRow {
	return sessionRow{
		Supplier: h.Ref.Supplier, Session: h.Ref.SessionID, Service: h.Ref.Service, End: h.Ref.EndHeight, Partition: partition,
		Seq: h.Seq, Sealed: h.Sealed, Relays: h.Count, ComputeSum: h.Sum, Root: fmt.Sprintf("%x", h.Root),
	}
}

func (v *redisView) sessions(ctx context.Context, cmd *cobra.Command, _ []string) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	var rows []sessionRow
	for _, info := range infos {
		for _, h := range info.Heads {
			rows = append(rows, rowOf(h, info.Partition))
		}
	}
	return show(cmd, v.output, rows)
}

type supplierRow struct {
	Supplier   string `json:"supplier"`
	Sessions   int    `json:"sessions"`
	Sealed     int    `json:"sealed"`
	Relays     uint64 `json:"relays"`
	ComputeSum uint64 `json:"compute_units"`
}

func (v *redisView) supplier(ctx context.Context, cmd *cobra.Command, args []string) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	rows := make(map[string]supplierRow)
	for _, info := range infos {
		for _, h := range info.Heads {
			if len(args) > 0 && args[0] != h.Ref.Supplier {
				continue
			}
			row := rows[h.Ref.Supplier]
			row.Supplier = h.Ref.Supplier
			row.Sessions++
			if h.Sealed {
				row.Sealed++
			}
			row.Relays, row.ComputeSum = row.Relays+h.Count, row.ComputeSum+h.Sum
			rows[h.Ref.Supplier] = row
		}
	}
	return show(cmd, v.output, sortedRows(rows))
}

type treeRow struct {
	sessionRow
	Nodes  int64  `json:"nodes"`
	Bytes  int64  `json:"bytes"`
	Leaves uint64 `json:"leaves"`
	Whole  bool   `json:"whole"` // the leaves make the root
}

func (v *redisView) smstCommand() *cobra.Command {
	return &cobra.Command{
		Use: "smst SUPPLIER SESSION", Short: "One tree: read whole, built again and compared with its root",
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.with(cmd, func(ctx context.Context) error {
				return v.smst(ctx, cmd, chain.SessionKey{Supplier: args[0], SessionID: args[1]})
			})
		},
	}
}

func (v *redisView) smst(ctx context.Context, cmd *cobra.Command, key chain.SessionKey) error {
	infos, err := ingest.Inspect(ctx, v.rdb, v.names)
	if err != nil {
		return err
	}
	head, ok := ingest.FindHead(infos, key)
	if !ok {
		return fmt.Errorf("session %s of %s: %w", key.SessionID, key.Supplier, ingest.ErrUnknownSession)
	}
	tree, err := ingest.InspectTree(ctx, v.rdb, v.names, head)
	if err != nil {
		return err
	}
	row := treeRow{sessionRow: rowOf(head, v.names.Partition(key)), Nodes: tree.Nodes, Bytes: tree.Bytes, Leaves: tree.Leaves, Whole: tree.Whole}
	return show(cmd, v.output, []treeRow{row})
}

type kindRow struct {
	Kind  string `json:"kind"`
	Keys  int    `json:"keys"`
	Bytes int64  `json:"bytes"`
}

func (v *redisView) keys(ctx context.Context, cmd *cobra.Command, _ []string) error {
	rows, err := v.kinds(ctx)
	if err != nil {
		return err
	}
	return show(cmd, v.output, sortedRows(rows))
}

// kinds are those of the keys that are there.
func (v *redisView) kinds(ctx context.Context) (map[string]kindRow, error) {
	all, err := ingest.AllKeys(ctx, v.rdb, v.names)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]kindRow)
	for _, k := range all {
		row := rows[k.Kind]
		row.Kind = k.Kind
		row.Keys++
		row.Bytes += v.rdb.MemoryUsage(ctx, k.Key).Val() // 0 for one that has gone
		rows[k.Kind] = row
	}
	return rows, nil
}
