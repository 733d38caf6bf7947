package chain

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"
)

// BlockAt returns the committed block at height.
func (c *Client) BlockAt(ctx context.Context, height int64) (Block, error) {
	return c.blockHashes.get(ctx, height)
}

func (c *Client) queryBlock(ctx context.Context, height int64) (Block, error) {
	return comet(ctx, c.nodes, func(ctx context.Context, rpc *rpchttp.HTTP) (Block, error) {
		res, err := rpc.Header(ctx, &height)
		if err != nil {
			return Block{}, fmt.Errorf("query header at height %d: %w", height, err)
		}
		return Block{Height: height, Hash: res.Header.Hash(), Time: res.Header.Time}, nil
	})
}

// TxResult is what a block did with a transaction.
type TxResult struct {
	Height    int64
	Codespace string // of Code
	Code      uint32 // 0 is success
	Log       string
}

// blockOutcome is the content of a block that matters to a claim.
type blockOutcome struct {
	settlements func() ([]Settlement, error) // decodes once
	txs         map[[sha256.Size]byte]TxResult
}

func (c *Client) queryOutcome(ctx context.Context, height int64) (blockOutcome, error) {
	return comet(ctx, c.nodes, func(ctx context.Context, rpc *rpchttp.HTTP) (out blockOutcome, _ error) {
		txs, results, err := readBlock(ctx, rpc, height)
		if err != nil {
			return out, err
		}
		out = blockOutcome{
			settlements: sync.OnceValues(func() ([]Settlement, error) { return settlementsOf(results.FinalizeBlockEvents) }),
			txs:         make(map[[sha256.Size]byte]TxResult),
		}
		for i, tx := range txs {
			r := results.TxsResults[i]
			out.txs[sha256.Sum256(tx)] = TxResult{Height: height, Codespace: r.Codespace, Code: r.Code, Log: r.Log}
		}
		return out, nil
	})
}

// readBlock reads a block's transactions and, as many, its results. The transaction
// index is not used: full nodes commonly run without one.
func readBlock(ctx context.Context, rpc *rpchttp.HTTP, height int64) (cmttypes.Txs, *ctypes.ResultBlockResults, error) {
	block, err := rpc.Block(ctx, &height)
	if err != nil {
		return nil, nil, fmt.Errorf("query block at height %d: %w", height, err)
	}
	results, err := rpc.BlockResults(ctx, &height)
	if err != nil {
		return nil, nil, fmt.Errorf("query block results at height %d: %w", height, err)
	}
	if len(results.TxsResults) != len(block.Block.Txs) {
		return nil, nil, fmt.Errorf("block %d has %d transactions and %d results", height, len(block.Block.Txs), len(results.TxsResults))
	}
	return block.Block.Txs, results, nil
}

// TxResults returns the outcome of every transaction in the block at height, by
// the SHA-256 of its bytes.
func (c *Client) TxResults(ctx context.Context, height int64) (map[[sha256.Size]byte]TxResult, error) {
	out, err := c.outcomes.get(ctx, height)
	return out.txs, err
}
