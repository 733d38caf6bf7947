//go:build failpoints

package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pokt-network/smt"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// Environment of a child process.
const (
	childRedis = "RAFTMINER_TEST_REDIS"
	childEpoch = "RAFTMINER_TEST_EPOCH"
	childSeal  = "RAFTMINER_TEST_SEAL"
	// killsWanted sets the number of kills, killReport the file for the result.
	killsWanted = "RAFTMINER_KILLS"
	killReport  = "RAFTMINER_KILL_REPORT"
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
	go o.Run(ctx)
	for {
		err := o.Trim(ctx, o.Mark())
		endIfFenced(o)
		if err != nil {
			panic(err)
		}
		if session := os.Getenv(childSeal); session != "" {
			n, _ := strconv.Atoi(session)
			_, err := o.Seal(ctx, testRef(n).Key())
			endIfFenced(o)
			if err != nil && !errors.Is(err, ErrUnknownSession) {
				panic(err)
			}
		}
	}
}

// killCount is what happened at one instant.
type killCount struct {
	Kills  int `json:"kills"`
	Missed int `json:"missed"` // the owner did not come by, and was killed elsewhere
}

// killResult is what make kill-ingest prints.
type killResult struct {
	Kills     int                   `json:"kills"`
	Instants  map[string]*killCount `json:"instants"`
	Relays    int                   `json:"relays_acknowledged"`
	Sessions  int                   `json:"sessions"`
	Nodes     int                   `json:"nodes"`
	Differing int                   `json:"trees_differing"`
	Stray     int                   `json:"nodes_stray"`
}

// However often and wherever miners are killed, each followed by a takeover,
// every tree is the one of the relays that were acknowledged, byte for byte.
func TestTreesSurviveKills(t *testing.T) {
	result := killResult{Kills: 20, Instants: make(map[string]*killCount)}
	if text := os.Getenv(killsWanted); text != "" {
		result.Kills, _ = strconv.Atoi(text)
	}
	rdb := startRedis(t)
	p, ctx := newTestPublisher(t, rdb), context.Background()
	acknowledged := make(map[chain.SessionKey][]MinedRelay)
	for kill := range result.Kills {
		for nonce := range 40 {
			// Sessions come and go: the sealed ones refuse, new ones take over.
			ref := testRef(kill/3 + rand.IntN(6))
			r := testRelay(t, ref, 40*kill+nonce-rand.IntN(3))
			err := p.Publish(ctx, r)
			if err == nil {
				acknowledged[r.Key()] = append(acknowledged[r.Key()], r)
				result.Relays++
			} else if !errors.Is(err, ErrSessionClosed) {
				t.Fatal(err)
			}
		}
		killOne(t, rdb.Options().Addr, kill+1, kill/3, result.Instants)
	}
	o := testOwner(t, rdb, result.Kills+1)
	for _, key := range sortedSessions(acknowledged) {
		head, err := o.Seal(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		root, nodes := referenceTree(t, acknowledged[key])
		stored := storedTree(t, rdb, key)
		result.Sessions, result.Nodes = result.Sessions+1, result.Nodes+len(nodes)
		differs := !bytes.Equal(head.Root, root)
		for digest, node := range nodes {
			differs = differs || stored[digest] != node
		}
		if differs {
			result.Differing++
			t.Errorf("session %v: tree of %d relays with root %x, want %x, or nodes differ", key, head.Count, head.Root, root)
		}
		if stray := len(stored) - len(nodes); stray != 0 {
			result.Stray += stray
			t.Errorf("session %v: %d nodes stored, want %d", key, len(stored), len(nodes))
		}
		if _, err := o.Prove(ctx, key, make([]byte, 32)); err != nil {
			t.Errorf("session %v: prove: %v", key, err)
		}
	}
	result.write(t)
}

func (r killResult) write(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if path := os.Getenv(killReport); path != "" {
		if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// killOne runs a child until its instant, or for a while.
func killOne(t *testing.T, addr string, epoch, seal int, counts map[string]*killCount) {
	t.Helper()
	instant := instants[rand.IntN(len(instants))]
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRedis+"="+addr, childEpoch+"="+strconv.Itoa(epoch))
	if rand.IntN(2) == 0 || strings.HasPrefix(instant, "seal.") {
		child.Env = append(child.Env, childSeal+"="+strconv.Itoa(seal))
	}
	name, patience := instant, 500*time.Millisecond
	if instant == "" {
		name, patience = "any", time.Duration(50+rand.IntN(150))*time.Millisecond
	} else {
		child.Env = append(child.Env, "RAFTMINER_FAILPOINTS="+instant+"=kill")
	}
	if counts[name] == nil {
		counts[name] = &killCount{}
	}
	counts[name].Kills++
	var output bytes.Buffer
	child.Stderr = &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { _ = child.Process.Kill() })
	_ = child.Wait()
	if !overdue.Stop() && instant != "" {
		counts[name].Missed++
	}
	if child.ProcessState.Exited() {
		t.Fatalf("child of epoch %d ended by itself: %s", epoch, output.String())
	}
}

// storedTree is what Redis holds of a tree, as the nodes of smt.
func storedTree(t *testing.T, rdb *redis.Client, key chain.SessionKey) map[string]string {
	t.Helper()
	nodes := make(map[string]string)
	for field, record := range rdb.HGetAll(context.Background(), testKeys().Nodes(key)).Val() {
		expanded, err := sessiontree.Expand(sessiontree.Node{Digest: sessiontree.Digest([]byte(field)), Data: []byte(record)})
		if err != nil {
			t.Errorf("session %v: %v", key, err)
		}
		for _, n := range expanded {
			nodes[string(n.Digest[:])] = string(n.Data)
		}
	}
	return nodes
}

// referenceTree is the root and the nodes that smt itself makes of relays.
func referenceTree(t *testing.T, relays []MinedRelay) (root []byte, nodes map[string]string) {
	t.Helper()
	store := nodeMap{}
	trie := smt.NewSparseMerkleSumTrie(store, sha256.New(), smt.WithValueHasher(nil))
	for _, r := range relays {
		key := sha256.Sum256(r.Relay)
		if err := trie.Update(key[:], bytes.Clone(r.Relay), r.ComputeUnits); err != nil {
			t.Fatal(err)
		}
	}
	if err := trie.Commit(); err != nil {
		t.Fatal(err)
	}
	for digest, node := range store {
		store[digest] = plainExtension(node)
	}
	return trie.Root(), store
}

// plainExtension blanks the bits of an extension's path that say nothing: those
// behind the ones it stands for, which in smt depend on the order of updates.
func plainExtension(node string) string {
	if node[0] != 2 {
		return node
	}
	bz := []byte(node)
	for depth, to := 0, int(bz[2]); depth < 256; depth++ {
		if depth >= to {
			bz[3+depth/8] &^= 0x80 >> (depth % 8)
		}
	}
	return string(bz)
}

// nodeMap keeps nodes by the hash part of their digest.
type nodeMap map[string]string

func (m nodeMap) Get(key []byte) ([]byte, error) { return []byte(m[string(key[:32])]), nil }
func (m nodeMap) Set(key, value []byte) error    { m[string(key[:32])] = string(value); return nil }
func (m nodeMap) Delete(key []byte) error        { delete(m, string(key[:32])); return nil }
func (m nodeMap) Len() (int, error)              { return len(m), nil }
func (m nodeMap) ClearAll() error                { clear(m); return nil }
