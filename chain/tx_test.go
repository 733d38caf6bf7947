package chain

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
)

func testKey(t *testing.T) *SupplierKey {
	t.Helper()
	key, err := NewSupplierKey(secp256k1.GenPrivKeyFromSecret([]byte("supplier")).Key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func offlineClient() *Client {
	c := &Client{chainID: "test"}
	c.accountNumber = newCached(keeping{size: 1}, time.Hour, func(context.Context, string) (uint64, error) { return 7, nil })
	return c
}

func testDraft(key *SupplierKey) TxDraft {
	ref := SessionRef{Supplier: key.Address(), SessionID: "s", Service: "svc", Application: "app", StartHeight: 1, EndHeight: 10}
	return TxDraft{
		Msgs:    []sdk.Msg{&prooftypes.MsgCreateClaim{SupplierOperatorAddress: ref.Supplier, SessionHeader: ref.Header(), RootHash: make([]byte, 48)}},
		Timeout: time.Unix(1_700_000_000, 123_456_789).UTC(),
		Gas:     200_000,
		Fee:     sdk.NewCoins(sdk.NewInt64Coin("upokt", 200)),
		Memo:    "test",
	}
}

// A later leader must arrive at the same bytes, or the chain may run two.
func TestSignTxIsDeterministic(t *testing.T) {
	key := testKey(t)
	first, err := offlineClient().SignTx(context.Background(), key, testDraft(key))
	if err != nil {
		t.Fatal(err)
	}
	second, err := offlineClient().SignTx(context.Background(), key, testDraft(key))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("two signatures of one draft differ:\n%x\n%x", first, second)
	}
}

func TestSignTxSignsWhatTheChainChecks(t *testing.T) {
	key := testKey(t)
	bz, err := offlineClient().SignTx(context.Background(), key, testDraft(key))
	if err != nil {
		t.Fatal(err)
	}
	var raw txtypes.TxRaw
	if err := raw.Unmarshal(bz); err != nil {
		t.Fatal(err)
	}
	doc := txtypes.SignDoc{BodyBytes: raw.BodyBytes, AuthInfoBytes: raw.AuthInfoBytes, ChainId: "test", AccountNumber: 7}
	signed, err := doc.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(raw.Signatures) != 1 || !key.PubKey().VerifySignature(signed, raw.Signatures[0]) {
		t.Error("the signature does not verify over the sign doc")
	}
	var body txtypes.TxBody
	if err := body.Unmarshal(raw.BodyBytes); err != nil {
		t.Fatal(err)
	}
	if !body.Unordered || !body.TimeoutTimestamp.Equal(testDraft(key).Timeout) {
		t.Errorf("got unordered %v with timeout %v, want true with %v", body.Unordered, body.TimeoutTimestamp, testDraft(key).Timeout)
	}
}

func TestSupplierKeyHidesItsSecret(t *testing.T) {
	key := testKey(t)
	for _, text := range []string{key.String(), key.GoString()} {
		if want := "supplier " + key.Address(); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	if _, err := NewSupplierKey([]byte("short")); err == nil {
		t.Error("a secret of 5 bytes was accepted")
	}
}
