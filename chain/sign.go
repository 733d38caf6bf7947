package chain

import (
	"crypto/sha256"

	decred "github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/raftminer/raftminer/chain/ring"
)

// Sign signs the SHA-256 of msg with RFC 6979 nonces, so equal messages have
// equal signatures on every node: 64 bytes, r then s.
//
// It is what PrivKey.Sign of cosmos-sdk does (decred's ecdsa.sign), with the key
// parsed once and the nonce's point from the tables of chain/ring.
func (k *SupplierKey) Sign(msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	nonce := decred.NonceRFC6979(k.priv.Key, digest[:], nil, nil, 0)
	x := ring.GeneratorTimes(nonce.Bytes())
	var r, e, s decred.ModNScalar
	r.SetBytes(&x)
	e.SetBytes(&digest)
	s.Mul2(&k.parsed.Key, &r).Add(&e).Mul(nonce.InverseNonConst())
	nonce.Zero()
	if r.IsZero() || s.IsZero() { // another nonce, as decred does it
		return ecdsa.SignCompact(k.parsed, digest[:], false)[1:], nil
	}
	if s.IsOverHalfOrder() {
		s.Negate()
	}
	out := make([]byte, 64)
	r.PutBytesUnchecked(out[:32])
	s.PutBytesUnchecked(out[32:])
	return out, nil
}
