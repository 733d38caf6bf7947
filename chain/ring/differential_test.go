package ring

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pokt-network/go-dleq/types"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite testdata/signatures.txt")

const corpusFile = "testdata/signatures.txt"

// specimen is a signature at the edge of what is valid, with ring-go's verdict.
type specimen struct {
	name     string
	msg      [32]byte
	sig      []byte
	expected [][]byte
}

// specimens are the cases that random signatures do not reach.
func specimens() []specimen {
	msg := [32]byte{1, 2, 3}
	zero := secret(1).Sub(secret(1))
	var out []specimen
	keep := func(name string, c *crafted, change func([]byte) []byte) {
		sig := c.sign(msg)
		if change != nil {
			sig = change(sig)
		}
		out = append(out, specimen{name, msg, sig, c.keys})
	}
	for n := 1; n <= 10; n++ {
		members := make([]byte, n)
		for i := range members {
			members[i] = byte(i)
		}
		keep(fmt.Sprintf("ring of %d", n), newCrafted(n/2, members...), nil)
	}
	nonce := newCrafted(0, 1, 2)
	nonce.nonce = zero
	keep("both commitments are infinity", nonce, nil)
	left := newCrafted(0, 1, 2, 3)
	left.response = func(i int, c types.Scalar) types.Scalar { return c.Mul(left.secrets[i]).Negate() }
	keep("left commitments are infinity", left, nil)
	nothing := newCrafted(1, 1, 2)
	nothing.response = func(int, types.Scalar) types.Scalar { return zero }
	keep("a response is zero", nothing, nil)
	keep("a zero response written as the order", nothing, func(sig []byte) []byte {
		bigN.FillBytes(sig[headLen : headLen+scalarLen])
		return sig
	})
	small := newCrafted(1, 1, 2)
	small.response = func(int, types.Scalar) types.Scalar { return small.curve.ScalarFromInt(77) }
	keep("a small response", small, nil)
	keep("a small response plus the order", small, func(sig []byte) []byte {
		new(big.Int).Add(bigN, big.NewInt(77)).FillBytes(sig[headLen : headLen+scalarLen])
		return sig
	})
	keep("one key twice", newCrafted(0, 1, 1), nil)
	keep("one key twice, signed by the second", newCrafted(1, 1, 1), nil)
	keep("order of members changed", newCrafted(0, 1, 2, 3), func(sig []byte) []byte { return swapMembers(sig, 1, 2) })
	keep("image is a member's key", newCrafted(0, 1, 2), func(sig []byte) []byte {
		copy(sig[sizeLen+scalarLen:], sig[headLen+scalarLen:headLen+memberLen])
		return sig
	})
	keep("image is negated", newCrafted(0, 1, 2), func(sig []byte) []byte { return flipped(sig, sizeLen+scalarLen) })
	keep("image has x = 0", newCrafted(0, 1, 2), func(sig []byte) []byte {
		copy(sig[sizeLen+scalarLen+1:headLen], make([]byte, 32))
		return sig
	})
	keep("all scalars zero", newCrafted(0, 1, 2), func(sig []byte) []byte {
		copy(sig[sizeLen:], make([]byte, scalarLen))
		copy(sig[headLen:], make([]byte, scalarLen))
		copy(sig[headLen+memberLen:], make([]byte, scalarLen))
		return sig
	})
	return out
}

// shortChallenges are valid signatures whose first challenge ends in a zero
// byte, because it was short and aligned to the left: this is where the two
// backends of ring-go part. About one nonce in 256 makes one.
func shortChallenges() []specimen {
	var out []specimen
	for _, i := range []int{137, 591, 884} {
		c := newCrafted(0, 1, 2)
		c.nonce = secret(byte(i)).Mul(secret(byte(i / 256))).Add(secret(7))
		msg := [32]byte{9, byte(i), byte(i >> 8)}
		out = append(out, specimen{fmt.Sprintf("short challenge %d", i), msg, c.sign(msg), c.keys})
	}
	return out
}

// verdicts asks ring-go and the fast verifier with and without tables.
func verdicts(t testing.TB, cold, hot *Verifier, s specimen) (reference error) {
	t.Helper()
	parsed, err := parse(s.sig, len(s.expected))
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	reference = cold.verifyReference(s.msg, parsed)
	for name, v := range map[string]*Verifier{"without tables": cold, "with tables": hot} {
		if got := v.points.verify(s.msg, parsed); (got == nil) != (reference == nil) {
			t.Errorf("%s: %s %v, ring-go says %v (msg %x sig %x)", s.name, name, got, reference, s.msg, s.sig)
		}
	}
	return reference
}

// warm gives the points of a signature their tables.
func warm(v *Verifier, sig []byte) {
	s := signature(sig)
	ids := []pointID{idOf(roleImage, s.image())}
	for i := range s.members() {
		ids = append(ids, idOf(roleMember, s.key(i)))
	}
	for _, id := range ids {
		if p, ok := v.points.known.GetIfPresent(id); ok {
			p.uses.Store(hotAfter)
			v.points.tables(id, p)
		}
	}
}

func TestSpecimens(t *testing.T) {
	all := append(specimens(), shortChallenges()...)
	cold, hot := NewVerifier(WithCrossCheck(0)), NewVerifier(WithCrossCheck(0), WithTableMemory(1<<30))
	var golden bytes.Buffer
	for _, s := range all {
		if strings.HasPrefix(s.name, "short") && s.sig[sizeLen+scalarLen-1] != 0 {
			t.Errorf("%s is not short", s.name)
		}
		verdicts(t, cold, hot, s)
		warm(hot, s.sig)
		verdict := "valid"
		if verdicts(t, cold, hot, s) != nil {
			verdict = "invalid"
		}
		fmt.Fprintf(&golden, "%s\t%x\t%x\t%s\n", verdict, s.msg, s.sig, s.name)
	}
	if *update {
		if err := os.WriteFile(corpusFile, golden.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(corpusFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(golden.Bytes(), want) {
		t.Errorf("verdicts or signatures differ from %s; run with -update and read the difference", corpusFile)
	}
}

// TestRandomSignaturesAgainstRingGo mutates valid signatures of rings of 2 to 10
// and compares the verdicts.
func TestRandomSignaturesAgainstRingGo(t *testing.T) {
	cold, hot := NewVerifier(WithCrossCheck(0)), NewVerifier(WithCrossCheck(0), WithTableMemory(1<<30))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{2, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10}).Draw(t, "members")
		members := make([]byte, n)
		for i := range members {
			members[i] = byte(i)
		}
		c := newCrafted(rapid.IntRange(0, n-1).Draw(t, "signer"), members...)
		c.nonce = secret(rapid.Byte().Draw(t, "nonce")).Mul(secret(rapid.Byte().Draw(t, "nonce 2")))
		s := specimen{name: "random", expected: c.keys}
		copy(s.msg[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "msg"))
		s.sig = c.sign(s.msg)
		compare(t, cold, hot, s, true)
		warm(hot, s.sig)
		mutated := rapid.IntRange(sizeLen, len(s.sig)-1).Draw(t, "at")
		s.sig = bytes.Clone(s.sig)
		s.sig[mutated] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		compare(t, cold, hot, s, false)
	})
}

func compare(t *rapid.T, cold, hot *Verifier, s specimen, valid bool) {
	t.Helper()
	reference := cold.verifyReference(s.msg, signature(s.sig))
	if (reference == nil) != valid {
		t.Fatalf("ring-go says %v, want valid=%v", reference, valid)
	}
	for _, v := range []*Verifier{cold, hot} {
		if got := v.points.verify(s.msg, signature(s.sig)); (got == nil) != valid {
			t.Fatalf("got %v, ring-go says %v (msg %x sig %x)", got, reference, s.msg, s.sig)
		}
	}
}

// FuzzAgainstRingGo looks for bytes that the two verifiers judge differently.
func FuzzAgainstRingGo(f *testing.F) {
	file, err := os.Open(corpusFile)
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := bytes.Split(lines.Bytes(), []byte("\t"))
		msg, _ := hex.DecodeString(string(fields[1]))
		sig, _ := hex.DecodeString(string(fields[2]))
		f.Add(msg, sig)
	}
	cold, hot := NewVerifier(WithCrossCheck(0)), NewVerifier(WithCrossCheck(0), WithTableMemory(1<<28))
	f.Fuzz(func(t *testing.T, msg, sig []byte) {
		s := specimen{name: "fuzzed", sig: sig}
		copy(s.msg[:], msg)
		parsed, err := parse(sig, 12)
		if err != nil {
			return
		}
		for i := range parsed.members() {
			s.expected = append(s.expected, parsed.key(i))
		}
		verdicts(t, cold, hot, s)
		warm(hot, sig)
		verdicts(t, cold, hot, s)
	})
}

func TestADisagreementLeavesTheVerdictToRingGo(t *testing.T) {
	v := NewVerifier(WithCrossCheck(1))
	c := newCrafted(0, 1, 2)
	msg := [32]byte{5}
	sig := c.sign(msg)
	wrong := *v.points.generator // the bug
	wrong.entries = slices.Clone(wrong.entries)
	for i := range wrong.entries {
		wrong.entries[i].x[0] ^= 2
	}
	v.points.generator = &wrong
	for range 3 {
		if err := v.Verify(msg, sig, c.keys); err != nil {
			t.Fatalf("got %v, want ring-go's verdict", err)
		}
	}
	if !v.distrusted.Load() {
		t.Error("the fast verifier is still trusted")
	}
}
