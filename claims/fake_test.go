package claims

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/chaintest"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// fakeTrees holds one relay per session.
type fakeTrees struct {
	mu     sync.Mutex
	heads  map[chain.SessionKey]ingest.Head
	told   map[chain.SessionKey]uint64
	doubts []chain.SessionRef
	// unsettled: relays may always come again.
	unsettled  bool
	incomplete map[string][]byte // roots of which leaves are missing, by session id
	proofs     int
	forgot     func() // a tree
}

func (f *fakeTrees) Heads(context.Context) []ingest.Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	var heads []ingest.Head
	for _, h := range f.heads {
		heads = append(heads, h)
	}
	return heads
}

func (f *fakeTrees) Seal(_ context.Context, key chain.SessionKey, now bool) (ingest.Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unsettled && !now {
		return ingest.Head{}, errors.New("unsettled")
	}
	h, ok := f.heads[key]
	if !ok {
		return ingest.Head{}, ingest.ErrUnknownSession
	}
	h.Sealed = true
	f.heads[key] = h
	return h, nil
}

func (f *fakeTrees) Told(_ context.Context, key chain.SessionKey) (uint64, error) {
	return f.told[key], nil
}

func (f *fakeTrees) Incomplete(key chain.SessionKey, root []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Equal(f.incomplete[key.SessionID], root)
}

func (f *fakeTrees) Doubted(context.Context) []chain.SessionRef { return f.doubts }

func (f *fakeTrees) Prove(context.Context, chain.SessionKey, []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proofs++
	return []byte("proof"), nil
}

func (f *fakeTrees) Forget(_ context.Context, key chain.SessionKey) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.heads, key)
	f.forgot()
	return nil
}

// stateLog is the replicated state without a network: what is tested here is
// the engine against the real rules of the state.
type stateLog struct {
	voters  int // a tree is archived by as many, at most two, before it is claimed
	mu      sync.Mutex
	state   *raftfsm.State
	deposed bool
}

func (l *stateLog) Apply(_ context.Context, cmd raftfsm.Command) (raftfsm.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Apply(cmd)
}

func (l *stateLog) Voters() int { return l.voters }

func (l *stateLog) VerifyLeader(context.Context) error {
	if l.deposed {
		return errors.New("no longer")
	}
	return nil
}

func (l *stateLog) View(f func(*raftfsm.State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.state)
}

// fakeFeed knows of a block; the tests hand blocks to the engine themselves.
type fakeFeed struct{ latest chain.Block }

func (f *fakeFeed) Latest() chain.Block { return f.latest }

func (f *fakeFeed) Next(ctx context.Context, _ int64) (chain.Block, error) {
	<-ctx.Done()
	return chain.Block{}, ctx.Err()
}

// rig is an engine on fakes. Its engine can be replaced at any time, as a
// failover does.
type rig struct {
	t     *testing.T
	chain *chaintest.Chain
	trees *fakeTrees
	log   *stateLog
	keys  chain.Keys
	feed  fakeFeed
	term  uint64
	*Engine
}

const (
	rigEnd      = 10
	rigGasPrice = 0.001
)

func newRig(t *testing.T, sessions ...string) *rig {
	t.Helper()
	key, err := chain.NewSupplierKey(secp256k1.GenPrivKeyFromSecret([]byte("supplier")).Key)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, chain: chaintest.New(), trees: &fakeTrees{heads: make(map[chain.SessionKey]ingest.Head)},
		log: &stateLog{state: raftfsm.NewState()}, keys: chain.Keys{key.Address(): key},
	}
	r.trees.forgot = func() { r.chain.Note("forget") }
	for _, id := range sessions {
		r.add(id, rigEnd)
	}
	if _, err := r.log.Apply(context.Background(), raftfsm.Init{ClusterID: "test", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	r.failover()
	return r
}

// add puts the tree of another session there.
func (r *rig) add(id string, end int64) {
	ref := r.ref(id, end)
	r.trees.heads[ref.Key()] = ingest.Head{Ref: ref, Seq: 1, Root: rootOf(id, 1, 100), Count: 1, Sum: 100}
}

func (r *rig) ref(id string, end int64) (ref chain.SessionRef) {
	for supplier := range r.keys {
		ref = chain.SessionRef{Supplier: supplier, SessionID: id, Service: "svc", Application: "app of " + id, StartHeight: end - 9, EndHeight: end}
	}
	return ref
}

// rootOf is a sum root: digest, compute units, relays.
func rootOf(id string, count, sum uint64) []byte {
	digest := sha256.Sum256([]byte(id))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(digest[:], sum), count)
}

// failover opens the next epoch with an engine that remembers nothing.
func (r *rig) failover() {
	r.t.Helper()
	r.term++
	epoch := raftfsm.Epoch{Generation: 1, Term: r.term}
	if _, err := r.log.Apply(context.Background(), raftfsm.OpenEpoch{Epoch: epoch, Owner: fmt.Sprint(r.term)}); err != nil {
		r.t.Fatal(err)
	}
	cfg := Config{KeepBlocks: 100, GasPrice: rigGasPrice, MaxGasPrice: 10 * rigGasPrice, GasAdjustment: 1.5, MaxGas: 1_000_000, SkipUnprofitable: r.chain.Worth != nil}
	r.Engine = New(cfg, epoch, &r.feed, r.chain, r.log, r.trees, r.keys, NewMetrics(prometheus.NewRegistry()), zap.NewNop())
}

// until plays blocks up to a height; each may be preceded by something.
func (r *rig) until(height int64, before func(height int64)) {
	r.t.Helper()
	for r.chain.Height < height {
		if before != nil {
			before(r.chain.Height)
		}
		if err := r.step(context.Background(), r.chain.Next()); err != nil {
			r.t.Fatalf("height %d: %v", r.chain.Height, err)
		}
	}
}

func (r *rig) session(id string) raftfsm.Session {
	r.t.Helper()
	var found raftfsm.Session
	r.log.View(func(s *raftfsm.State) {
		for session := range s.Sessions() {
			if session.Ref.SessionID == id {
				found = session
			}
		}
	})
	return found
}
