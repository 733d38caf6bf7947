package pocketchain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// ErrRejected is a transaction that the mempool or a block refused.
var ErrRejected = errors.New("transaction rejected")

const (
	txGas     = 10_000_000
	txFee     = 10_000 // upokt
	txTimeout = 2 * time.Minute
)

// Send signs messages as one transaction of account, broadcasts it and waits for its
// block. The height of that block is returned.
func (c *Chain) Send(ctx context.Context, account Account, msgs ...sdk.Msg) (int64, error) {
	raw, err := c.sign(ctx, account, msgs)
	if err != nil {
		return 0, fmt.Errorf("sign transaction of %s: %w", account.Name, err)
	}
	check, err := c.rpc.BroadcastTxSync(ctx, raw)
	if err != nil {
		return 0, fmt.Errorf("broadcast transaction of %s: %w", account.Name, err)
	}
	if check.Code != 0 {
		return 0, fmt.Errorf("%w by the mempool (%s %d): %s", ErrRejected, check.Codespace, check.Code, check.Log)
	}
	var outcome txOutcome
	included := func() (ok bool) {
		outcome, ok = c.ledger.txs[string(check.Hash)]
		return ok
	}
	if err := c.ledger.until(ctx, included); err != nil {
		return 0, fmt.Errorf("wait for transaction of %s: %w", account.Name, err)
	}
	if r := outcome.result; r.Code != 0 {
		return outcome.height, fmt.Errorf("%w in block %d (%s %d): %s", ErrRejected, outcome.height, r.Codespace, r.Code, r.Log)
	}
	return outcome.height, nil
}

func (c *Chain) sign(ctx context.Context, account Account, msgs []sdk.Msg) ([]byte, error) {
	number, sequence, err := c.account(ctx, account.Address)
	if err != nil {
		return nil, err
	}
	config := c.app.TxConfig()
	builder := config.NewTxBuilder()
	if err := builder.SetMsgs(msgs...); err != nil {
		return nil, err
	}
	builder.SetGasLimit(txGas)
	builder.SetFeeAmount(sdk.NewCoins(upokt(txFee)))
	builder.SetUnordered(!c.opts.Ordered)
	// Unordered transactions are told apart by sender and timeout alone.
	builder.SetTimeoutTimestamp(time.Now().Add(txTimeout))
	empty := signing.SignatureV2{
		PubKey: account.Key.PubKey(), Sequence: sequence,
		Data: &signing.SingleSignatureData{SignMode: signing.SignMode_SIGN_MODE_DIRECT},
	}
	if err := builder.SetSignatures(empty); err != nil {
		return nil, err
	}
	signer := authsigning.SignerData{
		Address: account.Address, ChainID: c.opts.ChainID, AccountNumber: number, Sequence: sequence, PubKey: account.Key.PubKey(),
	}
	signature, err := tx.SignWithPrivKey(ctx, signing.SignMode_SIGN_MODE_DIRECT, signer, builder, account.Key, config, sequence)
	if err != nil {
		return nil, err
	}
	if err := builder.SetSignatures(signature); err != nil {
		return nil, err
	}
	return config.TxEncoder()(builder.GetTx())
}

// account is the number of an account, and its sequence where the chain wants one.
func (c *Chain) account(ctx context.Context, address string) (number, sequence uint64, err error) {
	info, err := authtypes.NewQueryClient(c.conn).AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: address})
	if err != nil {
		return 0, 0, fmt.Errorf("account %s: %w", address, err)
	}
	if c.opts.Ordered {
		sequence = info.Info.Sequence
	}
	return info.Info.AccountNumber, sequence, nil
}
