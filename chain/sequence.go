package chain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	sdkgrpc "github.com/cosmos/cosmos-sdk/types/grpc"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"google.golang.org/grpc/metadata"
)

// What the chain may have against the order of a transaction.
var (
	// ErrNoUnordered: the chain takes transactions by account sequence only.
	ErrNoUnordered = errors.New("the chain takes no unordered transactions")
	// ErrSequence: the account is at another sequence than the transaction.
	ErrSequence = errors.New("the transaction's sequence is not the account's")
)

// orderRefusal finds what is said of the order in the words of a refusal, nil if
// nothing is. A simulation has nothing but words; they are those of cosmos-sdk
// x/auth/ante/sigverify.go.
func orderRefusal(words string) error {
	switch {
	case strings.Contains(words, "unordered transactions are") && strings.Contains(words, sdkerrors.ErrNotSupported.Error()):
		return ErrNoUnordered
	case strings.Contains(words, sdkerrors.ErrWrongSequence.Error()):
		return ErrSequence
	}
	return nil
}

// Sequence is what the next ordered transaction of an account had to carry at height.
// A node that is behind refuses.
func (c *Client) Sequence(ctx context.Context, address string, height int64) (uint64, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, sdkgrpc.GRPCBlockHeightHeader, strconv.FormatInt(height, 10))
	account, err := c.account(ctx, address)
	if err != nil {
		return 0, fmt.Errorf("sequence at height %d: %w", height, err)
	}
	return account.GetSequence(), nil
}

// SequenceOf is the sequence in signed bytes; ordered is false if they carry none.
func (*Client) SequenceOf(tx []byte) (sequence uint64, ordered bool) {
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	var auth txtypes.AuthInfo
	if raw.Unmarshal(tx) != nil || body.Unmarshal(raw.BodyBytes) != nil || auth.Unmarshal(raw.AuthInfoBytes) != nil {
		return 0, false
	}
	if body.Unordered || len(auth.SignerInfos) == 0 {
		return 0, false
	}
	return auth.SignerInfos[0].Sequence, true
}
