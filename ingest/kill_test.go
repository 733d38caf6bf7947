//go:build failpoints

package ingest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
)

// Environment of a child process.
const (
	childRedis = "RAFTMINER_TEST_REDIS"
	childEpoch = "RAFTMINER_TEST_EPOCH"
	childSeal  = "RAFTMINER_TEST_SEAL"
	// killsWanted sets the number of kills.
	killsWanted = "RAFTMINER_KILLS"
)

// instants are where children are killed; "" is any other instruction.
var instants = []string{
	"", "flush.after_read", "flush.after_add", "flush.before_script", "flush.after_script",
	"trim.before_script", "trim.after_script", "seal.after_close", "seal.before_script", "seal.after_script", "",
}

func TestMain(m *testing.M) {
	if os.Getenv(childRedis) != "" {
		ownUntilKilled()
	}
	os.Exit(m.Run())
}

// ownUntilKilled is a miner: it owns, consumes, trims, seals a session if told
// to, and never ends by itself.
func ownUntilKilled() {
	ctx := context.Background()
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv(childRedis)})
	epoch, _ := strconv.Atoi(os.Getenv(childEpoch))
	opts := testOptions()
	opts.FlushInterval, opts.FlushRelays = time.Millisecond, 16
	o, err := Acquire(ctx, rdb, testKeys(), epochName(epoch), strconv.Itoa(epoch), opts)
	if err != nil {
		panic(err)
	}
	go func() {
		panic(o.Run(ctx))
	}()
	for {
		if err := o.Trim(ctx, o.Mark()); err != nil {
			panic(err)
		}
		if session := os.Getenv(childSeal); session != "" {
			n, _ := strconv.Atoi(session)
			if _, err := o.Seal(ctx, testRef(n).Key()); err != nil && !errors.Is(err, ErrUnknownSession) {
				panic(err)
			}
		}
	}
}

// However often and wherever miners are killed, each followed by a takeover,
// every tree is the one of the relays that were acknowledged.
func TestTreesSurviveKills(t *testing.T) {
	kills := 60
	if text := os.Getenv(killsWanted); text != "" {
		kills, _ = strconv.Atoi(text)
	}
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	acknowledged := make(map[chain.SessionKey][]MinedRelay)
	nonce := 0
	for kill := range kills {
		for range 40 {
			// Sessions come and go: the sealed ones refuse, new ones take over.
			ref := testRef(kill/20 + rand.IntN(6))
			r := testRelay(t, ref, nonce-rand.IntN(3))
			nonce++
			err := p.Publish(ctx, r)
			if err == nil {
				acknowledged[r.Key()] = append(acknowledged[r.Key()], r)
			} else if !errors.Is(err, ErrSessionClosed) {
				t.Fatal(err)
			}
		}
		killOne(t, rdb.Options().Addr, kill+1, kill/20)
	}
	o := testOwner(t, rdb, kills+1)
	for _, key := range sortedSessions(acknowledged) {
		head, err := o.Seal(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, acknowledged[key]); !bytes.Equal(head.Root, want) {
			t.Errorf("session %v: tree of %d relays with root %x, want %x", key, head.Count, head.Root, want)
		}
		if _, err := o.Prove(ctx, key, make([]byte, 32)); err != nil {
			t.Errorf("session %v: prove: %v", key, err)
		}
	}
	t.Logf("%d kills, %d sessions, %d relays", kills, len(acknowledged), nonce)
}

// killOne runs a child until its instant, or for a while.
func killOne(t *testing.T, addr string, epoch, seal int) {
	t.Helper()
	instant := instants[rand.IntN(len(instants))]
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRedis+"="+addr, childEpoch+"="+strconv.Itoa(epoch))
	if rand.IntN(2) == 0 || strings.HasPrefix(instant, "seal.") {
		child.Env = append(child.Env, childSeal+"="+strconv.Itoa(seal))
	}
	patience := 500 * time.Millisecond
	if instant == "" {
		patience = time.Duration(50+rand.IntN(150)) * time.Millisecond
	} else {
		child.Env = append(child.Env, "RAFTMINER_FAILPOINTS="+instant+"=kill")
	}
	var output bytes.Buffer
	child.Stderr = &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { _ = child.Process.Kill() })
	_ = child.Wait()
	overdue.Stop()
	if child.ProcessState.Exited() {
		t.Fatalf("child of epoch %d ended by itself: %s", epoch, output.String())
	}
}
