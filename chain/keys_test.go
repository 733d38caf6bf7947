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
	for i := range uint64(1000) {
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

// Signing is the largest part of a relay after its verification.
func BenchmarkSign(b *testing.B) {
	key, err := NewSupplierKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		b.Fatal(err)
	}
	msg := make([]byte, 32)
	for name, sign := range map[string]func([]byte) ([]byte, error){"supplier-key": key.Sign, "cosmos-sdk": key.priv.Sign} {
		b.Run("by="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sign(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestSupplierKeyOutOfRange(t *testing.T) {
	for name, secret := range map[string][]byte{"zero": make([]byte, 32), "above the order": bytes.Repeat([]byte{0xff}, 32), "short": {1}} {
		if key, err := NewSupplierKey(secret); err == nil {
			t.Errorf("%s: got %v, want an error", name, key)
		}
	}
}
