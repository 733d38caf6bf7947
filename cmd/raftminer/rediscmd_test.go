package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

const minimalConfig = `
chain:
  id: pocket
  nodes: [{rpc: "https://rpc.example:443", grpc: "https://grpc.example:443"}]
redis: {url: "redis://%s"}
keys: {keys_file: keys.yaml}
cluster: {id: main, partitions: 4}
relayer: {listen_addr: "127.0.0.1:8545"}
services: {eth: {backends: {jsonrpc: {url: "http://localhost:9545"}}}}
`

// startPlain runs a redis-server and writes a configuration for it.
func startPlain(t *testing.T) (rdb *redis.Client, config string) {
	t.Helper()
	addr := freeAddr(t)
	cmd := exec.Command("redis-server", "--port", portOf(addr), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rdb = redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() {
		_ = rdb.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); rdb.Ping(context.Background()).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("redis-server did not start")
		}
	}
	config = filepath.Join(t.TempDir(), "raftminer.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, minimalConfig, addr), 0o600); err != nil {
		t.Fatal(err)
	}
	return rdb, config
}

// fill stores relays of two sessions, and leaves one more in a stream.
func fill(t *testing.T, rdb *redis.Client) (sealed, open chain.SessionRef) {
	t.Helper()
	ctx := context.Background()
	names := ingest.NewKeys("rm", "pocket", "main", 4)
	publisher := ingest.NewPublisher(rdb, names, prometheus.NewRegistry(), zap.NewNop())
	defer publisher.Close()
	publish := func(ref chain.SessionRef, n int) {
		t.Helper()
		meta := servicetypes.RelayRequestMetadata{SessionHeader: ref.Header(), SupplierOperatorAddress: ref.Supplier}
		relay := servicetypes.Relay{
			Req: &servicetypes.RelayRequest{Meta: meta, Payload: fmt.Append(nil, n)},
			Res: &servicetypes.RelayResponse{Meta: servicetypes.RelayResponseMetadata{SessionHeader: ref.Header()}},
		}
		bz, err := relay.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := publisher.Publish(ctx, ingest.MinedRelay{Supplier: ref.Supplier, SessionID: ref.SessionID, ComputeUnits: 10, Relay: bz}); err != nil {
			t.Fatal(err)
		}
	}
	sealed = chain.SessionRef{Supplier: "pokt1a", SessionID: "s1", Service: "eth", Application: "app", StartHeight: 1, EndHeight: 10}
	open = sealed
	open.SessionID = "s2"
	publish(sealed, 1)
	publish(sealed, 2)
	publish(open, 1)
	owner, err := ingest.Acquire(ctx, rdb, names, "000001.000000000007", "miner-2", ingest.Options{
		FlushInterval: time.Millisecond, FlushRelays: 8, Metrics: ingest.NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []chain.SessionRef{sealed, open} { // sealing drains the streams
		if _, err := owner.Seal(ctx, ref.Key()); err != nil {
			t.Fatal(err)
		}
	}
	third := sealed
	third.SessionID = "s3"
	publish(third, 1)
	return sealed, open
}

// ask runs a command line and returns what it printed.
func ask(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetIn(strings.NewReader(input))
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	return out.String(), err
}

func answer[T any](t *testing.T, args ...string) (rows []T) {
	t.Helper()
	text, err := ask(t, "", append(args, "-o", "json")...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatalf("%v: %v: %s", args, err, text)
	}
	return rows
}

func TestRedisInspection(t *testing.T) {
	rdb, config := startPlain(t)
	sealed, open := fill(t, rdb)
	if _, _, err := meter.NewRedisLedger(rdb, ingest.NewKeys("rm", "pocket", "main", 4)).Lease(context.Background(),
		meter.Statement{Key: open.Key(), Application: "pokt1app", Relayer: "r1", Number: 1, Held: 10, Used: 7, Budget: 1000}, 5); err != nil {
		t.Fatal(err)
	}
	before := rdb.Info(context.Background(), "commandstats").Val()
	if got := answer[fence](t, "redis", "leader", "-c", config); len(got) != 1 || got[0] != (fence{"000001.000000000007", "miner-2", 4}) {
		t.Errorf("leader: got %+v", got)
	}
	waiting := 0
	for _, p := range answer[ingest.PartitionInfo](t, "redis", "partitions", "-c", config) {
		if p.Waiting {
			waiting++
		}
	}
	if waiting != 1 {
		t.Errorf("%d partitions have relays waiting, want 1", waiting)
	}
	entries := int64(0)
	for _, s := range answer[streamRow](t, "redis", "streams", "-c", config) {
		entries += s.Entries
	}
	if entries != 4 {
		t.Errorf("%d entries in the streams, want 4", entries)
	}
	sessions := answer[sessionRow](t, "redis", "sessions", "-c", config)
	if len(sessions) != 2 || !sessions[0].Sealed || sessions[0].Relays+sessions[1].Relays != 3 {
		t.Errorf("sessions: got %+v", sessions)
	}
	if got := answer[supplierRow](t, "redis", "supplier", "-c", config); len(got) != 1 || got[0] != (supplierRow{"pokt1a", 2, 2, 3, 30}) {
		t.Errorf("supplier: got %+v", got)
	}
	if got := answer[supplierRow](t, "redis", "supplier", "pokt1b", "-c", config); len(got) != 0 {
		t.Errorf("another supplier: got %+v", got)
	}
	tree := answer[treeRow](t, "redis", "smst", sealed.Supplier, sealed.SessionID, "-c", config)
	if len(tree) != 1 || !tree[0].Whole || tree[0].Leaves != 2 || tree[0].Nodes != 2 { // a sheaf and a page
		t.Errorf("smst: got %+v", tree)
	}
	if _, err := ask(t, "", "redis", "smst", "pokt1a", "none", "-c", config); !errors.Is(err, ingest.ErrUnknownSession) {
		t.Errorf("unknown session: got %v", err)
	}
	if got := answer[meterRow](t, "redis", "meter", "-c", config); len(got) != 1 ||
		got[0] != (meterRow{open.Supplier, open.SessionID, "pokt1app", 1000, 7, 8, 985, 1}) {
		t.Errorf("meter: got %+v", got)
	}
	if got := answer[meterRow](t, "redis", "meter", "pokt1b", "-c", config); len(got) != 0 {
		t.Errorf("meters of another supplier: got %+v", got)
	}
	caches := answer[cacheRow](t, "redis", "cache", "-c", config)
	if len(caches) != 1 || caches[0].Kind != ingest.KindMeter || caches[0].Keys != 1 || caches[0].Bytes == 0 || caches[0].IfLost == "" {
		t.Errorf("cache: got %+v", caches)
	}
	if got := answer[channelRow](t, "redis", "pubsub", "-c", config); len(got) != 0 {
		t.Errorf("pubsub: got %+v", got)
	}
	var usage usageError
	if _, err := ask(t, "", "redis", "submissions", "pokt1a", "-c", config); !errors.As(err, &usage) || !strings.Contains(err.Error(), "raftminer claims") {
		t.Errorf("submissions: got %v, want a refusal that says where they are", err)
	}
	kinds := make(map[string]int)
	for _, k := range answer[kindRow](t, "redis", "keys", "-c", config) {
		kinds[k.Kind] = k.Keys
	}
	if kinds[ingest.KindMeta] != 4 || kinds[ingest.KindNodes] != 2 || kinds[ingest.KindMeter] != 1 || kinds[ingest.KindOther] != 0 {
		t.Errorf("keys: got %v", kinds)
	}
	if table, err := ask(t, "", "redis", "sessions", "-c", config); err != nil || !strings.Contains(table, open.SessionID) || !strings.Contains(table, "compute_units") {
		t.Errorf("as a table: %v\n%s", err, table)
	}
	for _, write := range []string{"cmdstat_hset:", "cmdstat_unlink:", "cmdstat_del:", "cmdstat_xadd:"} {
		count := func(stats string) string {
			_, rest, _ := strings.Cut(stats, write)
			line, _, _ := strings.Cut(rest, ",")
			return line
		}
		if after := rdb.Info(context.Background(), "commandstats").Val(); count(after) != count(before) {
			t.Errorf("looking wrote: %s %q, before %q", write, count(after), count(before))
		}
	}
}

func TestRedisFlushAsks(t *testing.T) {
	rdb, config := startPlain(t)
	ctx := context.Background()
	if err := rdb.Set(ctx, "another:key", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	fill(t, rdb)
	before := rdb.DBSize(ctx).Val()
	for _, said := range []string{"", "yes\n", "rm:pocket:\n"} {
		if _, err := ask(t, said, "redis", "flush", "-c", config); !errors.Is(err, errNotConfirmed) || rdb.DBSize(ctx).Val() != before {
			t.Errorf("answer %q: got %v and %d keys, want all %d", said, err, rdb.DBSize(ctx).Val(), before)
		}
	}
	if _, err := ask(t, "rm:pocket:main:\n", "redis", "flush", "-c", config); err != nil {
		t.Fatal(err)
	}
	if left := rdb.Keys(ctx, "*").Val(); len(left) != 1 || left[0] != "another:key" {
		t.Errorf("left: %v", left)
	}
	fill(t, rdb)
	if got := answer[flushRow](t, "redis", "flush", "--yes", "-c", config); len(got) != 1 || got[0].Removed == 0 || rdb.DBSize(ctx).Val() != 1 {
		t.Errorf("--yes: got %+v, %d keys are left", got, rdb.DBSize(ctx).Val())
	}
}
