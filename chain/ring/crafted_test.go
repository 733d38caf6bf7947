package ring

import (
	"encoding/binary"

	"github.com/pokt-network/go-dleq/secp256k1"
	"github.com/pokt-network/go-dleq/types"
)

// crafted signs as ring-go does, but with every choice of the signer in the
// test's hands: nonce, responses, members, and how scalars are written.
type crafted struct {
	curve   types.Curve
	secrets []types.Scalar // per member; the signer's must be known
	keys    [][]byte
	signer  int
	nonce   types.Scalar
	// response picks s_i of the others from c_i.
	response func(i int, c types.Scalar) types.Scalar
}

// secret is a fixed scalar, so that what is kept in testdata stays valid.
func secret(n byte) types.Scalar {
	s, err := secp256k1.NewCurve().HashToScalar([]byte{'r', 'i', 'n', 'g', n})
	if err != nil {
		panic(err)
	}
	return s
}

func newCrafted(signer int, members ...byte) *crafted {
	c := &crafted{curve: secp256k1.NewCurve(), signer: signer, nonce: secret(200)}
	for _, m := range members {
		c.secrets = append(c.secrets, secret(m))
		c.keys = append(c.keys, c.curve.ScalarBaseMul(secret(m)).Encode())
	}
	c.response = func(i int, _ types.Scalar) types.Scalar { return secret(byte(100 + i)) }
	return c
}

func (c *crafted) hashPoint(i int) types.Point {
	p, err := hashToCurve(c.keys[i])
	if err != nil {
		panic(err)
	}
	s := sum{}
	s.set(&p)
	out, err := c.curve.DecodeToPoint(encodeSum(&s))
	if err != nil {
		panic(err)
	}
	return out
}

func (c *crafted) sign(msg [32]byte) []byte {
	n := len(c.keys)
	challenges, responses := make([]types.Scalar, n), make([]types.Scalar, n)
	image := c.curve.ScalarMul(c.secrets[c.signer], c.hashPoint(c.signer))
	hash := func(l, r types.Point) types.Scalar {
		in := append(append(append([]byte(nil), msg[:]...), l.Encode()...), r.Encode()...)
		out, err := c.curve.HashToScalar(in)
		if err != nil {
			panic(err)
		}
		return out
	}
	challenges[(c.signer+1)%n] = hash(c.curve.ScalarBaseMul(c.nonce), c.curve.ScalarMul(c.nonce, c.hashPoint(c.signer)))
	for step := 1; step < n; step++ {
		i := (c.signer + step) % n
		responses[i] = c.response(i, challenges[i])
		key, err := c.curve.DecodeToPoint(c.keys[i])
		if err != nil {
			panic(err)
		}
		l := c.curve.ScalarMul(challenges[i], key).Add(c.curve.ScalarBaseMul(responses[i]))
		r := c.curve.ScalarMul(challenges[i], image).Add(c.curve.ScalarMul(responses[i], c.hashPoint(i)))
		challenges[(i+1)%n] = hash(l, r)
	}
	responses[c.signer] = c.nonce.Sub(challenges[c.signer].Mul(c.secrets[c.signer]))

	out := binary.BigEndian.AppendUint32(nil, uint32(n))
	out = append(out, challenges[0].Encode()...)
	out = append(out, image.Encode()...)
	for i := range n {
		out = append(out, responses[i].Encode()...)
		out = append(out, c.keys[i]...)
	}
	return out
}
