package chain

import (
	"errors"
	"fmt"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	decred "github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// AddressPrefix is the bech32 prefix of Pocket account addresses.
const AddressPrefix = "pokt"

// Keys holds supplier operator keys by their address.
type Keys map[string]*SupplierKey

// Key is the key of a supplier, if there is one.
func (k Keys) Key(supplier string) (*SupplierKey, bool) {
	key, ok := k[supplier]
	return key, ok
}

// SupplierKey signs relay responses and transactions of one supplier operator.
type SupplierKey struct {
	address string
	priv    *secp256k1.PrivKey
	parsed  *decred.PrivateKey // the same secret
}

// NewSupplierKey makes a key from its 32 secret bytes.
func NewSupplierKey(secret []byte) (*SupplierKey, error) {
	if len(secret) != secp256k1.PrivKeySize {
		return nil, fmt.Errorf("supplier key has %d bytes, want %d", len(secret), secp256k1.PrivKeySize)
	}
	if scalar := new(decred.ModNScalar); scalar.SetByteSlice(secret) || scalar.IsZero() {
		return nil, errors.New("supplier key is not in the range of the curve")
	}
	priv := &secp256k1.PrivKey{Key: append([]byte(nil), secret...)}
	address, err := AddressOf(priv.PubKey().Bytes())
	if err != nil {
		return nil, fmt.Errorf("encode supplier address: %w", err)
	}
	return &SupplierKey{address: address, priv: priv, parsed: decred.PrivKeyFromBytes(secret)}, nil
}

// Address is the supplier's operator address.
func (k *SupplierKey) Address() string { return k.address }

// PubKey is the key that the chain knows the supplier by.
func (k *SupplierKey) PubKey() *secp256k1.PubKey { return k.priv.PubKey().(*secp256k1.PubKey) }

// String hides the secret from logs and %v.
func (k *SupplierKey) String() string { return "supplier " + k.address }

// GoString hides the secret from %#v.
func (k *SupplierKey) GoString() string { return k.String() }

// AddressOf is the address of a compressed public key.
func AddressOf(key []byte) (string, error) {
	if len(key) != secp256k1.PubKeySize {
		return "", fmt.Errorf("a compressed public key has %d bytes, not %d", secp256k1.PubKeySize, len(key))
	}
	return bech32.ConvertAndEncode(AddressPrefix, (&secp256k1.PubKey{Key: key}).Address())
}
