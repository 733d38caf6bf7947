package claims

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// fakeChain runs the transactions it is given at the next block, at most once
// each, and applies the proof module's rules that matter here.
type fakeChain struct {
	mu       sync.Mutex
	height   int64
	mempool  map[[32]byte][]byte
	drafts   map[string]chain.TxDraft // by signed bytes
	done     map[[32]byte]bool
	results  map[int64]map[[32]byte]chain.TxResult
	claims   map[chain.SessionKey]prooftypes.Claim
	settled  map[int64][]chain.Settlement
	executed int
	order    []string     // of what the engine did
	worth    *chain.Worth // of every claim; nil when nobody asks

	ordered   bool            // unordered transactions are off
	sequence  uint64          // of the only account
	spacing   int64           // seconds between blocks; 1 when 0
	swallow   bool            // broadcasts are accepted and forgotten
	poison    map[string]bool // sessions whose messages fail a block but not a simulation
	noProof   bool            // no claim needs a proof
	blind     bool            // no node answers for the results of blocks
	refuse    bool            // nodes take no transaction
	mute      bool            // nodes take transactions and do not say so
	gasUsed   float64         // over what was simulated
	minPrice  float64         // that nodes take, in uPOKT per unit of gas
	behind    int64           // blocks by which the node lags that answers queries
	past      map[int64]map[chain.SessionKey]prooftypes.Claim
	paid      []float64       // fees of the transactions that ran
	simulated map[string]bool // sessions whose messages fail simulation
	unpriced  map[string]bool // sessions whose worth no node tells
	priceless bool            // no node tells what it asks for gas
	read      []int64         // heights whose transactions were read, in order
	priced    int             // how often the price of gas was asked for
}

func newFakeChain() *fakeChain {
	return &fakeChain{
		height: 1, mempool: make(map[[32]byte][]byte), drafts: make(map[string]chain.TxDraft), done: make(map[[32]byte]bool),
		results: make(map[int64]map[[32]byte]chain.TxResult), claims: make(map[chain.SessionKey]prooftypes.Claim),
		settled: make(map[int64][]chain.Settlement), past: make(map[int64]map[chain.SessionKey]prooftypes.Claim), gasUsed: 1, poison: make(map[string]bool), simulated: make(map[string]bool), unpriced: make(map[string]bool),
	}
}

// windows of the only session end these tests use.
func (c *fakeChain) Windows(_ context.Context, end int64) (chain.Windows, error) {
	return chain.Windows{GraceEnd: end + 1, ClaimOpen: end + 2, ClaimClose: end + 10, ProofOpen: end + 10, ProofClose: end + 18, Settlement: end + 18}, nil
}

func (c *fakeChain) BlockAt(_ context.Context, height int64) (chain.Block, error) {
	hash := sha256.Sum256(fmt.Append(nil, height))
	return chain.Block{Height: height, Hash: hash[:], Time: c.blockTime(height)}, nil
}

func (c *fakeChain) blockTime(height int64) time.Time {
	return time.Unix(1_700_000_000+height*max(1, c.spacing), 0)
}

func (c *fakeChain) ProofRequired(context.Context, chain.SessionRef, []byte) (bool, error) {
	return !c.noProof, nil
}

func (c *fakeChain) ClaimWorth(_ context.Context, ref chain.SessionRef, _ []byte) (chain.Worth, error) {
	if c.unpriced[ref.SessionID] {
		return chain.Worth{}, errors.New("no params at that height")
	}
	if c.worth == nil {
		return chain.Worth{Claimed: 42}, nil
	}
	return *c.worth, nil
}

func (c *fakeChain) SignTx(_ context.Context, key *chain.SupplierKey, draft chain.TxDraft) ([]byte, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %d %d %v %d", key.Address(), draft.Timeout.UnixNano(), draft.Gas, draft.Ordered, draft.Sequence)
	for _, msg := range draft.Msgs {
		fmt.Fprintf(&text, " %T %s", msg, sessionOfMsg(msg))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drafts[text.String()] = draft
	return []byte(text.String()), nil
}

func sessionOfMsg(msg any) string {
	switch m := msg.(type) {
	case *prooftypes.MsgCreateClaim:
		return m.SessionHeader.SessionId
	case *prooftypes.MsgSubmitProof:
		return m.SessionHeader.SessionId
	}
	return ""
}

func (c *fakeChain) Simulate(_ context.Context, tx []byte) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.outOfOrder(c.drafts[string(tx)]); err != nil {
		return 0, fmt.Errorf("simulate transaction: %w", err)
	}
	for _, msg := range c.drafts[string(tx)].Msgs {
		if c.simulated[sessionOfMsg(msg)] {
			return 0, errors.New("simulation failed")
		}
	}
	return 1000, nil
}

func (c *fakeChain) Broadcast(_ context.Context, tx []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = append(c.order, "broadcast")
	draft := c.drafts[string(tx)]
	if c.outOfOrder(draft) != nil || c.refuse || float64(draft.Fee.AmountOf(feeDenom).Int64()) < c.minPrice*float64(draft.Gas) {
		return chain.ErrTxRefused
	}
	if !c.swallow {
		c.mempool[sha256.Sum256(tx)] = tx
	}
	if c.mute {
		return errors.New("connection reset by peer")
	}
	return nil
}

// outOfOrder is what cosmos-sdk x/auth/ante has against the order of a transaction.
func (c *fakeChain) outOfOrder(draft chain.TxDraft) error {
	switch {
	case !draft.Ordered && c.ordered:
		return chain.ErrNoUnordered
	case draft.Ordered && draft.Sequence != c.sequence:
		return chain.ErrSequence
	}
	return nil
}

func (c *fakeChain) Sequence(_ context.Context, _ string, height int64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height > c.height-c.behind {
		return 0, fmt.Errorf("height %d is in the future", height)
	}
	return c.sequence, nil
}

func (c *fakeChain) SequenceOf(tx []byte) (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	draft := c.drafts[string(tx)]
	return draft.Sequence, draft.Ordered
}

func (c *fakeChain) MinGasPrice(context.Context) (float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.priced++
	if c.priceless {
		return 0, fmt.Errorf("%w: unknown service cosmos.base.node.v1beta1.Service", chain.ErrNoNode)
	}
	return c.minPrice, nil
}

func (c *fakeChain) ClaimsEndingAt(_ context.Context, _, height int64) (map[chain.SessionKey]prooftypes.Claim, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height > c.height-c.behind {
		return nil, fmt.Errorf("height %d is in the future", height)
	}
	return c.past[height], nil
}

func (c *fakeChain) TxResults(_ context.Context, height int64) (map[[32]byte]chain.TxResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = append(c.read, height)
	if c.blind {
		return nil, errors.New("no results")
	}
	return c.results[height], nil
}

func (c *fakeChain) Settlements(_ context.Context, height int64) ([]chain.Settlement, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled[height], nil
}

// next commits a block.
func (c *fakeChain) next() chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height++
	c.results[c.height] = make(map[[32]byte]chain.TxResult)
	for hash, tx := range c.mempool {
		delete(c.mempool, hash)
		draft := c.drafts[string(tx)]
		if c.done[hash] || c.outOfOrder(draft) != nil || c.blockTime(c.height).After(draft.Timeout) {
			continue
		}
		if draft.Ordered {
			c.sequence++
		}
		c.done[hash] = true
		result := c.run(draft)
		result.Height = c.height
		c.results[c.height][hash] = result
	}
	c.settle()
	c.past[c.height] = maps.Clone(c.claims)
	block, _ := c.BlockAt(context.Background(), c.height)
	return block
}

// run is atomic: one bad message fails all.
func (c *fakeChain) run(draft chain.TxDraft) chain.TxResult {
	c.executed++
	c.paid = append(c.paid, float64(draft.Fee.AmountOf(feeDenom).Int64()))
	if c.gasUsed*1000 > float64(draft.Gas) {
		return chain.TxResult{Codespace: "sdk", Code: 11}
	}
	for _, msg := range draft.Msgs {
		if c.poison[sessionOfMsg(msg)] {
			return chain.TxResult{Codespace: "proof", Code: 5}
		}
	}
	for _, msg := range draft.Msgs {
		switch m := msg.(type) {
		case *prooftypes.MsgCreateClaim:
			key := chain.SessionKey{Supplier: m.SupplierOperatorAddress, SessionID: m.SessionHeader.SessionId}
			c.claims[key] = prooftypes.Claim{SupplierOperatorAddress: key.Supplier, SessionHeader: m.SessionHeader, RootHash: m.RootHash}
		case *prooftypes.MsgSubmitProof:
			key := chain.SessionKey{Supplier: m.SupplierOperatorAddress, SessionID: m.SessionHeader.SessionId}
			claim := c.claims[key]
			claim.ProofValidationStatus = prooftypes.ClaimProofStatus_VALIDATED
			c.claims[key] = claim
		}
	}
	return chain.TxResult{}
}

func (c *fakeChain) settle() {
	for key, claim := range c.claims {
		h := claim.SessionHeader
		if windows, _ := c.Windows(context.Background(), h.SessionEndBlockHeight); c.height != windows.Settlement {
			continue
		}
		s := chain.Settlement{Supplier: key.Supplier, Application: h.ApplicationAddress, Service: h.ServiceId, SessionEnd: h.SessionEndBlockHeight, Relays: 1, Upokt: 42}
		if claim.ProofValidationStatus != prooftypes.ClaimProofStatus_VALIDATED && !c.noProof {
			s.Verdict, s.Upokt = chain.VerdictExpired, 0
		}
		c.settled[c.height] = append(c.settled[c.height], s)
		delete(c.claims, key)
	}
}

// fakeTrees holds one relay per session.
type fakeTrees struct {
	mu     sync.Mutex
	heads  map[chain.SessionKey]ingest.Head
	proofs int
	forgot func() // a tree
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

func (f *fakeTrees) Seal(_ context.Context, key chain.SessionKey) (ingest.Head, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, ok := f.heads[key]
	if !ok {
		return ingest.Head{}, ingest.ErrUnknownSession
	}
	h.Sealed = true
	f.heads[key] = h
	return h, nil
}

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
	chain *fakeChain
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
		t: t, chain: newFakeChain(), trees: &fakeTrees{heads: make(map[chain.SessionKey]ingest.Head)},
		log: &stateLog{state: raftfsm.NewState()}, keys: chain.Keys{key.Address(): key},
	}
	r.trees.forgot = func() {
		r.chain.mu.Lock()
		defer r.chain.mu.Unlock()
		r.chain.order = append(r.chain.order, "forget")
	}
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
	for supplier := range r.keys {
		ref := chain.SessionRef{Supplier: supplier, SessionID: id, Service: "svc", Application: "app of " + id, StartHeight: end - 9, EndHeight: end}
		r.trees.heads[ref.Key()] = ingest.Head{Ref: ref, Seq: 1, Root: rootOf(id, 1, 100), Count: 1, Sum: 100}
	}
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
	cfg := Config{KeepBlocks: 100, GasPrice: rigGasPrice, MaxGasPrice: 10 * rigGasPrice, GasAdjustment: 1.5, MaxGas: 1_000_000, SkipUnprofitable: r.chain.worth != nil}
	r.Engine = New(cfg, epoch, &r.feed, r.chain, r.log, r.trees, r.keys, NewMetrics(prometheus.NewRegistry()), zap.NewNop())
}

// until plays blocks up to a height; each may be preceded by something.
func (r *rig) until(height int64, before func(height int64)) {
	r.t.Helper()
	for r.chain.height < height {
		if before != nil {
			before(r.chain.height)
		}
		if err := r.step(context.Background(), r.chain.next()); err != nil {
			r.t.Fatalf("height %d: %v", r.chain.height, err)
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
