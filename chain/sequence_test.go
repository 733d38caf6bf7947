package chain

import (
	"errors"
	"testing"

	errorsmod "cosmossdk.io/errors"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// The words are those of cosmos-sdk v0.53 x/auth/ante, made as it makes them.
func TestOrderRefusal(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want error
	}{
		{errorsmod.Wrap(sdkerrors.ErrNotSupported, "unordered transactions are not enabled"), ErrNoUnordered},
		{errorsmod.Wrap(sdkerrors.ErrNotSupported, "unordered transactions are disabled"), ErrNoUnordered},
		{errorsmod.Wrapf(sdkerrors.ErrWrongSequence, "account sequence mismatch, expected %d, got %d", 5, 4), ErrSequence},
		{errorsmod.Wrap(sdkerrors.ErrNotSupported, "SIGN_MODE_TEXTUAL"), nil},
		{errorsmod.Wrap(sdkerrors.ErrInvalidRequest, "unordered tx ttl exceeds 10m0s"), nil},
		{errorsmod.Wrap(sdkerrors.ErrInsufficientFee, "insufficient fees"), nil},
	} {
		if got := orderRefusal(tc.err.Error()); !errors.Is(got, tc.want) {
			t.Errorf("%q: got %v, want %v", tc.err, got, tc.want)
		}
	}
}

func TestSequenceIsInTheSignedBytes(t *testing.T) {
	key := testKey(t)
	for _, tc := range []struct {
		ordered  bool
		sequence uint64
	}{{false, 0}, {true, 0}, {true, 7}} {
		draft := testDraft(key)
		draft.Ordered, draft.Sequence = tc.ordered, tc.sequence
		c := offlineClient()
		tx, err := c.SignTx(t.Context(), key, draft)
		if err != nil {
			t.Fatal(err)
		}
		if sequence, ordered := c.SequenceOf(tx); sequence != tc.sequence || ordered != tc.ordered {
			t.Errorf("got sequence %d, ordered %v, want %+v", sequence, ordered, tc)
		}
	}
	if _, ordered := offlineClient().SequenceOf([]byte("no transaction")); ordered {
		t.Error("junk is ordered")
	}
}
