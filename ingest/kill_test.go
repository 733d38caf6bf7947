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
	childStage = "RAFTMINER_TEST_STAGE"
	// killsWanted sets the number of kills, killReport the file for the result.
	killsWanted = "RAFTMINER_KILLS"
	killReport  = "RAFTMINER_KILL_REPORT"
)

// instants are where children are killed; "" is any other instruction.
var (
	instants = []string{
		"", "flush.after_read", "flush.after_add", "flush.before_script", "flush.after_script",
		"trim.before_script", "trim.after_script", "seal.after_close", "seal.before_script", "seal.after_script", "",
	}
	stageInstants = []string{"stage.before_write", "stage.after_write"}
)

func TestMain(m *testing.M) {
	if os.Getenv(childRedis) != "" {
		ownUntilKilled()
	}
	os.Exit(m.Run())
}

// ownUntilKilled is a miner: it owns, consumes, trims, writes flushes in stages and
// seals a session if told to, and never ends by itself.
func ownUntilKilled() {
	ctx := context.Background()
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv(childRedis)})
	epoch, _ := strconv.Atoi(os.Getenv(childEpoch))
	opts := testOptions()
	if os.Getenv(childStage) != "" {
		opts = stagedOptions()
	}
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
	Stray     int                   `json:"nodes_stray"` // staged by an owner that was killed before its script
}

// However often and wherever miners are killed, each followed by a takeover,
// every tree is the one of the relays that were acknowledged, byte for byte.
func TestTreesSurviveKills(t *testing.T) {
	kills := 24
	if text := os.Getenv(killsWanted); text != "" {
		kills, _ = strconv.Atoi(text)
	}
	result := killResult{Instants: make(map[string]*killCount)}
	for name, staged := range map[string]bool{"flushes in their script": false, "flushes in stages": true} {
		t.Run(name, func(t *testing.T) { result.kill(t, kills/2, staged) })
	}
	result.write(t)
}

// kill kills so many owners of a Redis and compares what is left.
func (r *killResult) kill(t *testing.T, kills int, staged bool) {
	rdb := startRedis(t)
	p := newTestPublisher(t, rdb)
	acknowledged := make(map[chain.SessionKey][]MinedRelay)
	for kill := range kills {
		for nonce := range 40 {
			// Sessions come and go: the sealed ones refuse, new ones take over.
			ref := testRef(kill/3 + rand.IntN(6))
			relay := testRelay(t, ref, 40*kill+nonce-rand.IntN(3))
			err := p.Publish(context.Background(), relay)
			if err == nil {
				acknowledged[relay.Key()] = append(acknowledged[relay.Key()], relay)
				r.Relays++
			} else if !errors.Is(err, ErrSessionClosed) {
				t.Fatal(err)
			}
		}
		r.killOne(t, rdb.Options().Addr, kill, staged)
	}
	o := testOwner(t, rdb, kills+1)
	for _, key := range sortedSessions(acknowledged) {
		stray := r.compare(t, rdb, o, key, acknowledged[key])
		// What a killed owner staged belongs to no tree and goes with its session.
		if stray != 0 && !staged {
			t.Errorf("session %v: %d nodes stored too many", key, stray)
		}
		if err := o.Forget(context.Background(), key); err != nil {
			t.Error(err)
		}
		if rdb.Exists(context.Background(), testKeys().Nodes(key)).Val() != 0 {
			t.Errorf("session %v: nodes are left of what is forgotten", key)
		}
	}
}

// compare seals a session and compares its tree with the one of relays. It says how
// many stored nodes are not in it.
func (r *killResult) compare(t *testing.T, rdb *redis.Client, o *Owner, key chain.SessionKey, relays []MinedRelay) (stray int) {
	t.Helper()
	ctx := context.Background()
	head, err := o.Seal(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	root, nodes := referenceTree(t, relays)
	stored := storedTree(t, rdb, key)
	r.Sessions, r.Nodes = r.Sessions+1, r.Nodes+len(nodes)
	differs := !bytes.Equal(head.Root, root)
	for digest, node := range nodes {
		differs = differs || stored[digest] != node
	}
	if differs {
		r.Differing++
		t.Errorf("session %v: tree of %d relays with root %x, want %x, or nodes differ", key, head.Count, head.Root, root)
	}
	if _, err := o.Prove(ctx, key, make([]byte, 32)); err != nil {
		t.Errorf("session %v: prove: %v", key, err)
	}
	stray = len(stored) - len(nodes)
	r.Stray += stray
	return stray
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
func (r *killResult) killOne(t *testing.T, addr string, kill int, staged bool) {
	t.Helper()
	instants := instants
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRedis+"="+addr, childEpoch+"="+strconv.Itoa(kill+1))
	if staged {
		instants = append(stageInstants, instants...)
		child.Env = append(child.Env, childStage+"=1")
	}
	instant := instants[rand.IntN(len(instants))]
	if rand.IntN(2) == 0 || strings.HasPrefix(instant, "seal.") {
		child.Env = append(child.Env, childSeal+"="+strconv.Itoa(kill/3))
	}
	name, patience := instant, 500*time.Millisecond
	if instant == "" {
		name, patience = "any", time.Duration(50+rand.IntN(150))*time.Millisecond
	} else {
		child.Env = append(child.Env, "RAFTMINER_FAILPOINTS="+instant+"=kill")
	}
	if r.Instants[name] == nil {
		r.Instants[name] = &killCount{}
	}
	r.Kills++
	r.Instants[name].Kills++
	var output bytes.Buffer
	child.Stderr = &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(patience, func() { _ = child.Process.Kill() })
	_ = child.Wait()
	if !overdue.Stop() && instant != "" {
		r.Instants[name].Missed++
	}
	if child.ProcessState.Exited() {
		t.Fatalf("child of kill %d ended by itself: %s", kill, output.String())
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
