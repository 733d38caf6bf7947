package ring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"
)

// fixture is a ring whose secrets the test knows.
type fixture struct {
	curve  types.Curve
	secret []types.Scalar
	keys   [][]byte
	ring   *ringgo.Ring
}

func newFixture(t testing.TB, members int) *fixture {
	t.Helper()
	f := &fixture{curve: ringgo.Secp256k1()}
	var points []types.Point
	for range members {
		secret := f.curve.NewRandomScalar()
		point := f.curve.ScalarBaseMul(secret)
		f.secret = append(f.secret, secret)
		f.keys = append(f.keys, point.Encode())
		points = append(points, point)
	}
	var err error
	if f.ring, err = ringgo.NewFixedKeyRingFromPublicKeys(f.curve, points); err != nil {
		t.Fatalf("make ring: %v", err)
	}
	return f
}

func (f *fixture) sign(t testing.TB, msg [32]byte, signer int) []byte {
	t.Helper()
	sig, err := f.ring.Sign(msg, f.secret[signer])
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	out, err := sig.Serialize()
	if err != nil {
		t.Fatalf("serialize: %v", err)
	}
	return out
}

func withSize(sig []byte, n uint32) []byte {
	out := bytes.Clone(sig)
	binary.BigEndian.PutUint32(out, n)
	return out
}

func flipped(sig []byte, at int) []byte {
	out := bytes.Clone(sig)
	out[at] ^= 1
	return out
}

func repeatMember(sig []byte, n int) []byte {
	out := bytes.Clone(sig[:headLen])
	binary.BigEndian.PutUint32(out, uint32(n))
	return append(out, bytes.Repeat(sig[headLen:headLen+memberLen], n)...)
}

func TestVerifyAcceptsEveryMember(t *testing.T) {
	msg := [32]byte{7}
	for _, members := range []int{2, 3, 5, 10} {
		f, v := newFixture(t, members), NewVerifier()
		for signer := range members {
			if err := v.Verify(msg, f.sign(t, msg, signer), f.keys); err != nil {
				t.Errorf("ring of %d, signer %d: got %v, want nil", members, signer, err)
			}
		}
	}
}

func TestVerifyAcceptsASubsetOfTheRing(t *testing.T) {
	f, outsider := newFixture(t, 2), newFixture(t, 2)
	msg := [32]byte{1}
	expected := append([][]byte{outsider.keys[0]}, f.keys...)
	if err := NewVerifier().Verify(msg, f.sign(t, msg, 1), expected); err != nil {
		t.Errorf("got %v, want nil: poktroll asks for membership, not for equality", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	f, other := newFixture(t, 3), newFixture(t, 3)
	msg := [32]byte{42}
	sig := f.sign(t, msg, 1)
	foreignKey := bytes.Clone(sig)
	copy(foreignKey[headLen+scalarLen:], other.keys[0])
	notOnCurve := bytes.Clone(sig)
	copy(notOnCurve[sizeLen+scalarLen+1:headLen], bytes.Repeat([]byte{0xff}, 32))

	for _, tc := range []struct {
		name string
		sig  []byte
		ring [][]byte
		want error
	}{
		{"nothing", nil, f.keys, ErrMalformed},
		{"one byte", sig[:1], f.keys, ErrMalformed},
		{"two bytes", sig[:2], f.keys, ErrMalformed},
		{"three bytes", sig[:3], f.keys, ErrMalformed},
		{"head only", sig[:headLen], f.keys, ErrMalformed},
		{"size zero", withSize(sig[:headLen], 0), f.keys, ErrMalformed},
		{"size zero with members", withSize(sig, 0), f.keys, ErrMalformed},
		{"size overflows", withSize(sig, 1<<32-1), f.keys, ErrMalformed},
		{"truncated", sig[:len(sig)-1], f.keys, ErrMalformed},
		{"trailing byte", append(bytes.Clone(sig), 0), f.keys, ErrMalformed},
		{"thousand members", repeatMember(sig, 1000), f.keys, ErrForeignMember},
		{"one member more than the ring", repeatMember(sig, 4), f.keys, ErrForeignMember},
		{"empty ring", sig, nil, ErrForeignMember},
		{"ring of another application", sig, other.keys, ErrForeignMember},
		{"one foreign member", foreignKey, f.keys, ErrForeignMember},
		{"image not on the curve", notOnCurve, f.keys, ErrMalformed},
		{"image of unknown format", flippedTo(sig, sizeLen+scalarLen, 4), f.keys, ErrMalformed},
		{"duplicated member", repeatMember(sig, 3), f.keys, ErrInvalid},
		{"challenge changed", flipped(sig, sizeLen+31), f.keys, ErrInvalid},
		{"image negated", flipped(sig, sizeLen+scalarLen), f.keys, ErrInvalid},
		{"response changed", flipped(sig, headLen+5), f.keys, ErrInvalid},
		{"members swapped", swapMembers(sig, 0, 1), f.keys, ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := NewVerifier().Verify(msg, tc.sig, tc.ring); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	if err := NewVerifier().Verify([32]byte{43}, sig, f.keys); !errors.Is(err, ErrInvalid) {
		t.Errorf("another message: got %v, want %v", err, ErrInvalid)
	}
}

func flippedTo(sig []byte, at int, b byte) []byte {
	out := bytes.Clone(sig)
	out[at] = b
	return out
}

func swapMembers(sig []byte, i, j int) []byte {
	out := bytes.Clone(sig)
	a, b := headLen+i*memberLen, headLen+j*memberLen
	copy(out[a:a+memberLen], sig[b:b+memberLen])
	copy(out[b:b+memberLen], sig[a:a+memberLen])
	return out
}

func TestVerifyLeavesItsArgumentsAlone(t *testing.T) {
	f := newFixture(t, 2)
	msg := [32]byte{9}
	sig := f.sign(t, msg, 0)
	before := bytes.Clone(sig)
	if err := NewVerifier().Verify(msg, sig, f.keys); err != nil {
		t.Fatalf("verify: %v", err)
	}
	if !bytes.Equal(sig, before) {
		t.Error("Verify changed the signature's bytes")
	}
}

func FuzzVerify(f *testing.F) {
	fx := newFixture(f, 2)
	msg := [32]byte{3}
	sig := fx.sign(f, msg, 0)
	f.Add(sig)
	f.Add(sig[:3])
	f.Add(withSize(sig, 0))
	f.Add(repeatMember(sig, 5))
	v := NewVerifier()
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := v.Verify(msg, in, fx.keys); err == nil && !bytes.Equal(in, sig) {
			t.Errorf("accepted a signature nobody made: %x", in)
		}
	})
}
