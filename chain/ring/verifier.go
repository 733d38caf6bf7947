package ring

import (
	"fmt"

	"github.com/pokt-network/go-dleq/secp256k1"
	"github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"
)

// Verifier verifies relay request signatures. It is safe for concurrent use.
type Verifier struct {
	curve types.Curve
}

// NewVerifier makes a verifier.
func NewVerifier() *Verifier {
	return &Verifier{curve: secp256k1.NewCurve()}
}

// Verify returns nil if sig is a signature of msg by a member of the expected
// ring, given as compressed 33-byte keys. Any other answer wraps ErrMalformed,
// ErrForeignMember or ErrInvalid. Verify keeps neither sig nor expected.
func (v *Verifier) Verify(msg [32]byte, sig []byte, expected [][]byte) error {
	s, err := parse(sig, len(expected))
	if err != nil {
		return err
	}
	if !s.within(expected) {
		return ErrForeignMember
	}
	return v.verifyReference(msg, s)
}

// verifyReference asks ring-go, the chain's own judge.
func (v *Verifier) verifyReference(msg [32]byte, s signature) error {
	var parsed ringgo.RingSig
	if err := parsed.Deserialize(v.curve, s); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if !parsed.Verify(msg) {
		return ErrInvalid
	}
	return nil
}
