package claims

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	gomath "math"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

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
	d.attempt = e.nextAttempt(d.batch)
	timeout, err := e.timeout(ctx, kind, block, sessions[0].Ref, d)
	if err != nil {
		return d, err
	}
	d.TxDraft = chain.TxDraft{Timeout: timeout, Gas: e.cfg.MaxGas, Memo: e.cfg.Memo}
	for _, m := range messages {
		d.Msgs = append(d.Msgs, m.msg)
	}
	d.Fee = e.fee(d.Gas)
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
	d.Gas = min(e.cfg.MaxGas, uint64(float64(used)*e.cfg.GasAdjustment))
	e.gas.of(kind).Store(d.Gas / uint64(len(messages)))
	d.Fee = e.fee(d.Gas)
	return d, nil
}

func (e *Engine) fee(gas uint64) sdk.Coins {
	amount := int64(gomath.Ceil(float64(gas) * e.cfg.GasPrice))
	return sdk.NewCoins(sdk.NewCoin(feeDenom, math.NewInt(amount)))
}

func (e *Engine) nextAttempt(batch string) uint32 {
	attempt := uint32(1)
	e.log.View(func(s *raftfsm.State) {
		if last, ok := s.LastIntent(batch); ok {
			attempt = last.Attempt + 1
		}
	})
	return attempt
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
