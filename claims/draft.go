package claims

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	gomath "math"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	feeDenom = "upokt"
	// Bounds of a transaction's life, from the block time that it is counted
	// from. The upper one keeps clear of chain.MaxTxTimeout.
	minTxLife = 10 * time.Second
	maxTxLife = 9*time.Minute + 30*time.Second
)

// signedDraft is a priced transaction with its identity.
type signedDraft struct {
	chain.TxDraft
	batch   string
	attempt uint32
}

// draft prices a transaction by simulating it.
func (e *Engine) draft(ctx context.Context, key *chain.SupplierKey, kind raftfsm.EffectKind, block chain.Block, messages []message) (signedDraft, error) {
	sessions := sessionsOf(messages)
	d := signedDraft{batch: batchID(kind, sessions)}
	var adjustment float64
	d.attempt, adjustment = e.nextAttempt(d.batch)
	price, err := e.gasPrice(ctx)
	if err != nil {
		return d, err
	}
	timeout, err := e.timeout(ctx, kind, block, sessions[0].Ref, d)
	if err != nil {
		return d, err
	}
	d.TxDraft = chain.TxDraft{Timeout: timeout, Gas: e.cfg.MaxGas, Memo: e.cfg.Memo}
	for _, m := range messages {
		d.Msgs = append(d.Msgs, m.msg)
	}
	d.Fee = feeOf(d.Gas, price)
	if err := e.arrange(ctx, block.Height, key.Address(), &d.TxDraft); err != nil {
		return d, err
	}
	tx, err := e.chain.SignTx(ctx, key, d.TxDraft)
	if err != nil {
		return d, err
	}
	if len(tx) > maxTxBytes && len(messages) > 1 {
		return d, fmt.Errorf("transaction of %d messages has %d bytes, limit %d", len(messages), len(tx), maxTxBytes)
	}
	used, err := e.chain.Simulate(ctx, tx)
	if err != nil {
		return d, err
	}
	d.Gas = min(e.cfg.MaxGas, uint64(float64(used)*adjustment))
	d.Fee = feeOf(d.Gas, price)
	e.fees.note(kind, float64(d.Gas)*price/float64(len(messages)))
	return d, nil
}

// gasPrice is the configured price, or what the nodes ask for if that is more. Not all
// of them tell: then the configured one has to do.
func (e *Engine) gasPrice(ctx context.Context) (float64, error) {
	least, err := e.chain.MinGasPrice(ctx)
	if err != nil {
		e.metrics.priceUnknown.Inc()
		if !e.priceless.Swap(true) {
			e.logger.Warn("no full node tells what it asks for gas: tx.gas_price is paid", zap.String("reason", "gas_price_unknown"),
				zap.Float64("upokt", e.cfg.GasPrice), zap.Error(err))
		}
		return e.cfg.GasPrice, nil
	}
	e.priceless.Store(false)
	if least > e.cfg.MaxGasPrice {
		return 0, fmt.Errorf("%w: the nodes ask for %g upokt, tx.max_gas_price is %g", errPrice, least, e.cfg.MaxGasPrice)
	}
	return max(e.cfg.GasPrice, least), nil
}

// errPrice is returned when the nodes ask for more than may be paid.
var errPrice = errors.New("gas is too expensive")

func feeOf(gas uint64, price float64) sdk.Coins {
	amount := int64(gomath.Ceil(float64(gas) * price))
	return sdk.NewCoins(sdk.NewCoin(feeDenom, math.NewInt(amount)))
}

// nextAttempt is the number of the next attempt at a batch, and the gas it asks for
// over what is simulated: more if the last one ran out of it.
func (e *Engine) nextAttempt(batch string) (attempt uint32, adjustment float64) {
	attempt, adjustment = 1, e.cfg.GasAdjustment
	e.log.View(func(s *raftfsm.State) {
		last, ok := s.LastIntent(batch)
		if !ok {
			return
		}
		attempt = last.Attempt + 1
		if last.Reason == reasonOutOfGas {
			adjustment *= float64(attempt)
		}
	})
	return attempt, adjustment
}

// timeout is when the transaction dies if it has not landed. It comes from the
// chain and from (batch, attempt) alone, so two nodes that drafted the same
// attempt would collide on the chain's unordered nonce and only one could land
// (cosmos ADR-070). It spans half the window, so that an attempt that was
// swallowed leaves room for another. Odd nanoseconds keep it off block times.
func (e *Engine) timeout(ctx context.Context, kind raftfsm.EffectKind, block chain.Block, ref chain.SessionRef, d signedDraft) (time.Time, error) {
	windows, err := e.chain.Windows(ctx, ref.EndHeight)
	if err != nil {
		return time.Time{}, err
	}
	opens, closes := openOf(kind, windows), closeOf(kind, windows)
	start, err := e.chain.BlockAt(ctx, ref.StartHeight)
	if err != nil {
		return time.Time{}, err
	}
	base, err := e.chain.BlockAt(ctx, opens)
	if err != nil {
		return time.Time{}, err
	}
	spacing := base.Time.Sub(start.Time) / time.Duration(opens-ref.StartHeight)
	life := max(minTxLife, min(maxTxLife, spacing*time.Duration(closes-opens)/2))
	end := base.Time.Add(life)
	if !end.After(block.Time.Add(minTxLife / 2)) {
		end = block.Time.Add(life)
	}
	return end.Truncate(time.Second).Add(oddNanos(d.batch, d.attempt)), nil
}

// oddNanos spreads the attempts of all batches over a second.
func oddNanos(batch string, attempt uint32) time.Duration {
	id, err := hex.DecodeString(batch)
	if err != nil || len(id) < 8 {
		panic("claims: batch id is not the hash that batchID made: " + batch)
	}
	seed := binary.BigEndian.Uint64(id) + uint64(attempt)
	return time.Duration(1 + seed%999_999_999)
}
