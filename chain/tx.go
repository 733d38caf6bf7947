package chain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cometbft/cometbft/mempool"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

// MaxTxTimeout is how far ahead of block time the chain lets an unordered
// transaction expire (cosmos-sdk x/auth/ante, ADR-070).
const MaxTxTimeout = 10 * time.Minute

// TxDraft is a transaction before it is signed. The chain runs at most one
// unordered transaction per sender and timeout, so Timeout doubles as a nonce:
// it must not be in the past and at most MaxTxTimeout ahead of block time. An ordered
// one has the account's sequence for a nonce, and Timeout only ends it.
type TxDraft struct {
	Msgs     []sdk.Msg
	Timeout  time.Time
	Ordered  bool
	Sequence uint64 // of the account; 0 unless Ordered
	Gas      uint64
	Fee      sdk.Coins
	Memo     string
}

// SignTx builds and signs a transaction in SIGN_MODE_DIRECT. Equal
// drafts and keys give equal bytes: encoding and signature are deterministic.
func (c *Client) SignTx(ctx context.Context, key *SupplierKey, draft TxDraft) ([]byte, error) {
	number, err := c.accountNumber.get(ctx, key.Address())
	if err != nil {
		return nil, err
	}
	raw, err := encodeUnsigned(key, draft)
	if err != nil {
		return nil, err
	}
	doc := txtypes.SignDoc{BodyBytes: raw.BodyBytes, AuthInfoBytes: raw.AuthInfoBytes, ChainId: c.chainID, AccountNumber: number}
	docBytes, err := doc.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode sign doc: %w", err)
	}
	signature, err := key.Sign(docBytes)
	if err != nil {
		return nil, fmt.Errorf("sign transaction of %s: %w", key.Address(), err)
	}
	raw.Signatures = [][]byte{signature}
	return raw.Marshal()
}

func encodeUnsigned(key *SupplierKey, draft TxDraft) (*txtypes.TxRaw, error) {
	body := txtypes.TxBody{Memo: draft.Memo, Unordered: !draft.Ordered, TimeoutTimestamp: &draft.Timeout}
	for _, msg := range draft.Msgs {
		packed, err := codectypes.NewAnyWithValue(msg)
		if err != nil {
			return nil, fmt.Errorf("pack %T: %w", msg, err)
		}
		body.Messages = append(body.Messages, packed)
	}
	pubKey, err := codectypes.NewAnyWithValue(key.PubKey())
	if err != nil {
		return nil, fmt.Errorf("pack public key: %w", err)
	}
	auth := txtypes.AuthInfo{
		SignerInfos: []*txtypes.SignerInfo{{
			PublicKey: pubKey,
			Sequence:  draft.Sequence,
			ModeInfo: &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{
				Single: &txtypes.ModeInfo_Single{Mode: signing.SignMode_SIGN_MODE_DIRECT},
			}},
		}},
		Fee: &txtypes.Fee{Amount: draft.Fee, GasLimit: draft.Gas},
	}
	raw := &txtypes.TxRaw{}
	if raw.BodyBytes, err = body.Marshal(); err != nil {
		return nil, fmt.Errorf("encode transaction body: %w", err)
	}
	if raw.AuthInfoBytes, err = auth.Marshal(); err != nil {
		return nil, fmt.Errorf("encode transaction auth info: %w", err)
	}
	return raw, nil
}

// Simulate runs a signed transaction against the newest state and returns the
// gas it used.
func (c *Client) Simulate(ctx context.Context, tx []byte) (uint64, error) {
	res, err := c.tx.Simulate(ctx, &txtypes.SimulateRequest{TxBytes: tx})
	if err != nil {
		if why := orderRefusal(err.Error()); why != nil {
			err = fmt.Errorf("%w: %w", why, err)
		}
		return 0, fmt.Errorf("simulate transaction: %w", err)
	}
	return res.GetGasInfo().GetGasUsed(), nil
}

// ErrTxRefused is returned when a node did not take a transaction into its
// mempool. Being taken is no promise of inclusion either.
var ErrTxRefused = errors.New("transaction refused by the node")

// Broadcast hands signed bytes to full nodes. Handing in the same bytes twice is
// harmless: the chain runs them at most once.
func (c *Client) Broadcast(ctx context.Context, tx []byte) error {
	return c.nodes.spread(ctx, func(ctx context.Context, rpc *rpchttp.HTTP) error {
		res, err := rpc.BroadcastTxSync(ctx, tx)
		if err != nil && strings.Contains(err.Error(), mempool.ErrTxInCache.Error()) {
			return nil // the node has these bytes already
		}
		if err != nil {
			return fmt.Errorf("broadcast %X: %w", sha256.Sum256(tx), err)
		}
		if res.Code != 0 {
			return fmt.Errorf("%w: code %d (%s): %s", ErrTxRefused, res.Code, res.Codespace, res.Log)
		}
		return nil
	})
}
