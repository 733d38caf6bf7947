package ring

import (
	"crypto/sha3"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// hashToCurveTries is how often ring-go hashes before it gives up; each try
// succeeds with probability one half.
const hashToCurveTries = 128

// hashToCurve is ring-go's H_p (helpers.go): the SHA3-256 of the compressed key
// as an x coordinate with the even y, hashed again until there is one.
func hashToCurve(compressed []byte) (affine, error) {
	hash := sha3.Sum256(compressed)
	var x, y secp256k1.FieldVal
	for range hashToCurveTries {
		x.SetBytes(&hash)
		if secp256k1.DecompressY(&x, false, &y) {
			x.Normalize()
			y.Normalize()
			return affine{x: feFromBytes(x.Bytes()[:]), y: feFromBytes(y.Bytes()[:])}, nil
		}
		hash = sha3.Sum256(hash[:])
	}
	return affine{}, fmt.Errorf("%w: a key has no point to hash to", ErrMalformed)
}
