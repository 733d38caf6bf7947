package ingest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Flushes in stages make the trees that flushes in one script make, and need no
// command that docs/redis.md does not give the miner.
func TestStagedFlushes(t *testing.T) {
	rdb := startRedis(t)
	ctx := context.Background()
	limited := documentedMiner(t, rdb)
	p := newTestPublisher(t, rdb)
	o, err := Acquire(ctx, limited, testKeys(), epochName(1), "owner", stagedOptions())
	if err != nil {
		t.Fatal(err)
	}
	var relays []MinedRelay
	for n := range 200 {
		relays = append(relays, testRelay(t, testRef(1), n))
	}
	for _, some := range [][]MinedRelay{relays[:100], relays[90:]} {
		publish(t, p, some...)
		consumeAll(t, o)
	}
	head, err := o.Seal(ctx, testRef(1).Key())
	if err != nil {
		t.Fatal(err)
	}
	if root := reference(t, relays); head.Count != 200 || !bytes.Equal(head.Root, root) {
		t.Errorf("got %d relays with root %x, want 200 with %x", head.Count, head.Root, root)
	}
	if _, err := o.Prove(ctx, testRef(1).Key(), make([]byte, 32)); err != nil {
		t.Error(err)
	}
	if staged := rdb.HGet(ctx, testKeys().Meta(testKeys().Partition(testRef(1).Key())), "staged").Val(); !strings.Contains(staged, "/") || strings.HasSuffix(staged, "/1") {
		t.Errorf("the last stage is %q, want more than one", staged)
	}
	if refused := rdb.Do(ctx, "ACL", "LOG").Val(); fmt.Sprint(refused) != "[]" {
		t.Errorf("the miner of docs/redis.md was refused: %v", refused)
	}
}

// documentedMiner is a client that may do what docs/redis.md lets the miner do.
func documentedMiner(t *testing.T, rdb *redis.Client) *redis.Client {
	t.Helper()
	page, err := os.ReadFile("../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		rules, ok := strings.CutPrefix(line, "user miner ")
		if !ok {
			continue
		}
		set := []any{"ACL", "SETUSER", "miner"}
		for rule := range strings.FieldsSeq(strings.Replace(rules, "~rm:*", "~test:*", 1)) {
			set = append(set, rule)
		}
		if err := rdb.Do(context.Background(), set...).Err(); err != nil {
			t.Fatal(err)
		}
		opts := *rdb.Options()
		opts.Username, opts.Password = "miner", "MINER-PASSWORD"
		miner := redis.NewClient(&opts)
		t.Cleanup(func() { _ = miner.Close() })
		return miner
	}
	t.Fatal("docs/redis.md has no user for the miner")
	return nil
}
