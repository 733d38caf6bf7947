// Package chaintest is a chain without a network, for tests that need to say what it
// does, and the suite that holds it to what the real one does.
package chaintest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/chain"
)

// Chain commits a block when it is told to. It runs the transactions that it was
// given, at most once each, by the rules of the proof module, and goes wrong as its
// Faults say. Its fields may be read and set between blocks.
type Chain struct {
	Height   int64
	Nonce    uint64 // the next sequence of the only account
	Executed int    // transactions
	Paid     []float64
	Order    []string // of broadcasts, and of what was noted
	Read     []int64  // heights whose transactions were read, in order
	Priced   int      // how often the price of gas was asked for
	Mempool  map[[32]byte][]byte
	Claims   map[chain.SessionKey]prooftypes.Claim
	Past     map[int64]map[chain.SessionKey]prooftypes.Claim
	Faults

	mu      sync.Mutex
	late    int64                    // seconds by which blocks have come late so far
	lateAt  map[int64]int64          // late, by height
	drafts  map[string]chain.TxDraft // by signed bytes
	done    map[[32]byte]bool
	nonces  map[string]bool // of unordered transactions that ran
	results map[int64]map[[32]byte]chain.TxResult
	settled map[int64][]chain.Settlement
}

// Faults are what can be wrong with a chain and its nodes, or just other than usual.
type Faults struct {
	Worth     *chain.Worth    // of every claim; nil when nobody asks
	Ordered   bool            // unordered transactions are off
	Spacing   int64           // seconds between blocks; 1 when 0
	Slow      bool            // blocks take three times as long
	Swallow   bool            // broadcasts are accepted and forgotten
	Poison    map[string]bool // sessions whose messages fail a block but not a simulation
	Simulated map[string]bool // sessions whose messages fail simulation
	Unpriced  map[string]bool // sessions whose worth no node tells
	NoProof   bool            // no claim needs a proof
	Blind     bool            // no node answers for the results of blocks
	Refuse    bool            // nodes take no transaction
	Mute      bool            // nodes take transactions and do not say so
	Priceless bool            // no node tells what it asks for gas
	GasUsed   float64         // over what was simulated
	MinPrice  float64         // that nodes take, in uPOKT per unit of gas
	Behind    int64           // blocks by which the node lags that answers queries
}

// New is a chain at its first block, without faults.
func New() *Chain {
	return &Chain{
		Height: 1, Mempool: make(map[[32]byte][]byte), Claims: make(map[chain.SessionKey]prooftypes.Claim),
		Past:   make(map[int64]map[chain.SessionKey]prooftypes.Claim),
		Faults: Faults{GasUsed: 1, Poison: make(map[string]bool), Simulated: make(map[string]bool), Unpriced: make(map[string]bool)},
		lateAt: make(map[int64]int64), drafts: make(map[string]chain.TxDraft), done: make(map[[32]byte]bool), nonces: make(map[string]bool),
		results: make(map[int64]map[[32]byte]chain.TxResult), settled: make(map[int64][]chain.Settlement),
	}
}

// Note adds to the order of what was done.
func (c *Chain) Note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Order = append(c.Order, what)
}

// Windows of any session, by params that never change. Sessions of one block would end
// at every height, and so may those of a test.
func (c *Chain) Windows(_ context.Context, end int64) (chain.Windows, error) {
	return chain.WindowsOf(&sharedtypes.Params{
		NumBlocksPerSession: 1, GracePeriodEndOffsetBlocks: 1, ClaimWindowOpenOffsetBlocks: 1,
		ClaimWindowCloseOffsetBlocks: 8, ProofWindowCloseOffsetBlocks: 8,
	}, end), nil
}

// BlockAt is the block at a height, made or not.
func (c *Chain) BlockAt(_ context.Context, height int64) (chain.Block, error) {
	hash := sha256.Sum256(fmt.Append(nil, height))
	return chain.Block{Height: height, Hash: hash[:], Time: c.blockTime(height)}, nil
}

func (c *Chain) blockTime(height int64) time.Time {
	return time.Unix(1_700_000_000+height*max(1, c.Spacing)+c.lateAt[height], 0)
}

// ProofRequired of any claim.
func (c *Chain) ProofRequired(context.Context, chain.SessionRef, []byte) (bool, error) {
	return !c.NoProof, nil
}

// ClaimWorth of a claim, if nodes tell it.
func (c *Chain) ClaimWorth(_ context.Context, ref chain.SessionRef, _ []byte) (chain.Worth, error) {
	if c.Unpriced[ref.SessionID] {
		return chain.Worth{}, errors.New("no params at that height")
	}
	if c.Worth == nil {
		return chain.Worth{Claimed: 42}, nil
	}
	return *c.Worth, nil
}

// MinGasPrice is what nodes ask for.
func (c *Chain) MinGasPrice(context.Context) (float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Priced++
	if c.Priceless {
		return 0, fmt.Errorf("%w: unknown service cosmos.base.node.v1beta1.Service", chain.ErrNoNode)
	}
	return c.MinPrice, nil
}

// ClaimsEndingAt are all claims that there were at a height.
func (c *Chain) ClaimsEndingAt(_ context.Context, _, height int64) (map[chain.SessionKey]prooftypes.Claim, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height > c.Height-c.Behind {
		return nil, fmt.Errorf("height %d is in the future", height)
	}
	return c.Past[height], nil
}

// TxResults of a block, by the hash of the transaction.
func (c *Chain) TxResults(_ context.Context, height int64) (map[[32]byte]chain.TxResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Read = append(c.Read, height)
	if c.Blind {
		return nil, errors.New("no results")
	}
	return c.results[height], nil
}

// Settlements of a block.
func (c *Chain) Settlements(_ context.Context, height int64) ([]chain.Settlement, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled[height], nil
}
