package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
)

// Miners of one group must sign alike, whatever made the signature.
func TestSupplierKeySignsAsCosmosDoes(t *testing.T) {
	for i := range uint64(200) {
		secret := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
		key, err := NewSupplierKey(secret[:])
		if err != nil {
			t.Fatal(err)
		}
		msg := binary.BigEndian.AppendUint64([]byte("message"), i)
		got, err := key.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := (&secp256k1.PrivKey{Key: secret[:]}).Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("key %d: signature %x, cosmos-sdk's is %x", i, got, want)
		}
		if !key.PubKey().VerifySignature(msg, got) {
			t.Errorf("key %d: the signature does not verify", i)
		}
	}
}
