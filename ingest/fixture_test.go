package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

const (
	testWeight     = 100
	testPartitions = 4
)

// startRedis runs a server of its own, so that tests may fill and break it.
func startRedis(t testing.TB, args ...string) *redis.Client {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: scripts/deps.sh installs it")
	}
	port := freePort(t)
	cmd := exec.Command(path, append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(),
	}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), PoolSize: 50})
	t.Cleanup(func() {
		_ = rdb.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(10 * time.Second)
	for rdb.Ping(context.Background()).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal("redis-server did not start")
		}
	}
	return rdb
}

func testKeys() Keys { return NewKeys("test", "chain", "cluster", testPartitions) }

// testOwner acquires all partitions for an epoch.
func testOwner(t *testing.T, rdb redis.UniversalClient, epoch int) *Owner {
	t.Helper()
	o, err := Acquire(context.Background(), rdb, testKeys(), epochName(epoch), "owner-"+strconv.Itoa(epoch), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func testOptions() Options {
	return Options{
		FlushInterval: 10 * time.Millisecond, FlushRelays: 64,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	}
}

// stagedOptions are those of an owner that writes every flush in stages of a few nodes.
func stagedOptions() Options {
	opts := testOptions()
	opts.stageAbove, opts.stageBytes = 1, 500
	return opts
}

func epochName(n int) string { return fmt.Sprintf("000001.%012d", n) }

func testRef(n int) chain.SessionRef {
	return chain.SessionRef{
		Supplier: fmt.Sprintf("supplier%d", n%2), SessionID: fmt.Sprintf("session%d", n),
		Service: "svc", Application: "app", StartHeight: 1, EndHeight: 10,
	}
}

// testRelay is the n-th relay of a session.
func testRelay(t testing.TB, ref chain.SessionRef, n int) MinedRelay {
	t.Helper()
	return relayOf(ref, n)
}

func relayOf(ref chain.SessionRef, n int) MinedRelay {
	relay := servicetypes.Relay{
		Req: &servicetypes.RelayRequest{
			Meta:    servicetypes.RelayRequestMetadata{SessionHeader: ref.Header(), SupplierOperatorAddress: ref.Supplier, Signature: []byte("signature")},
			Payload: fmt.Appendf(nil, "request %d", n),
		},
		Res: &servicetypes.RelayResponse{Meta: servicetypes.RelayResponseMetadata{SessionHeader: ref.Header()}},
	}
	bz, err := relay.Marshal()
	if err != nil {
		panic(err)
	}
	return MinedRelay{Supplier: ref.Supplier, SessionID: ref.SessionID, ComputeUnits: testWeight, Relay: bz}
}

// fataler is a test, or a property under test.
type fataler interface{ Fatal(args ...any) }

// reference is the root that a tree of these relays must have.
func reference(t fataler, relays []MinedRelay) []byte {
	trie := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for _, r := range relays {
		key := sha256.Sum256(r.Relay)
		if err := trie.Update(key[:], bytes.Clone(r.Relay), r.ComputeUnits); err != nil {
			t.Fatal(err)
		}
	}
	return trie.Root()
}

// dump is everything in Redis.
func dump(t *testing.T, rdb *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := make(map[string]string)
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		value, err := rdb.Dump(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		all[key] = value
	}
	return all
}

func changedKeys(before, after map[string]string) []string {
	var changed []string
	for key := range after {
		if before[key] != after[key] {
			changed = append(changed, key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed)
}

func publish(t *testing.T, p *Publisher, relays ...MinedRelay) {
	t.Helper()
	for _, r := range relays {
		if err := p.Publish(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func newTestPublisher(t *testing.T, rdb redis.UniversalClient) *Publisher {
	t.Helper()
	p := NewPublisher(rdb, testKeys(), prometheus.NewRegistry(), zap.NewNop())
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// consumeAll takes and stores everything that is in the streams.
func consumeAll(t *testing.T, o *Owner) {
	t.Helper()
	ctx := context.Background()
	for {
		before := o.Mark()
		if _, err := o.read(ctx, o.parts); err != nil {
			t.Fatal(err)
		}
		if err := o.flushDue(ctx, o.parts, true); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(before, o.Mark()) {
			return
		}
	}
}

func sortedSessions(m map[chain.SessionKey][]MinedRelay) []chain.SessionKey {
	return slices.SortedFunc(maps.Keys(m), chain.SessionKey.Compare)
}
