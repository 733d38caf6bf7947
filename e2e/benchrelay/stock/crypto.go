package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	dleq "github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"

	"github.com/raftminer/raftminer/chain"
)

// verifier is the check of poktroll pkg/crypto/rings/client.go. The expected
// ring's points are not even built anew for each relay, as they are there.
type verifier struct{ curve dleq.Curve }

var errInvalid = errors.New("invalid ring signature")

// Verify implements relayproxy.Verifier.
func (v verifier) Verify(msg [32]byte, sig []byte, expected [][]byte) error {
	if len(sig) < 4 {
		return errInvalid // ring-go would panic
	}
	var parsed ringgo.RingSig
	if err := parsed.Deserialize(v.curve, sig); err != nil {
		return fmt.Errorf("deserialize ring signature: %w", err)
	}
	for _, key := range parsed.PublicKeys() {
		encoded := key.Encode()
		if !slices.ContainsFunc(expected, func(member []byte) bool { return bytes.Equal(member, encoded) }) {
			return errInvalid
		}
	}
	if !parsed.Verify(msg) {
		return errInvalid
	}
	return nil
}

// signer signs as cosmos-sdk does, the key parsed for each signature.
type signer struct {
	*secp256k1.PrivKey
	address string
}

func newSigner(secret []byte) (signer, error) {
	key, err := chain.NewSupplierKey(secret)
	if err != nil {
		return signer{}, err
	}
	return signer{PrivKey: &secp256k1.PrivKey{Key: secret}, address: key.Address()}, nil
}

// Address implements relayproxy.Signer.
func (s signer) Address() string { return s.address }
