package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/chain"
)

// secret is a key of 32 bytes that differ with n.
func secret(n int) []byte {
	bz := bytes.Repeat([]byte{7}, 32)
	bz[0], bz[1] = byte(n>>8), byte(n)
	return bz
}

func digits(n int) string { return hex.EncodeToString(secret(n)) }

// lines is a file with keys.
func lines(numbers ...int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintln(&b, digits(n))
	}
	return b.String()
}

func addressOf(t testing.TB, n int) string {
	t.Helper()
	key, err := chain.NewSupplierKey(secret(n))
	if err != nil {
		t.Fatal(err)
	}
	return key.Address()
}

func addresses(t testing.TB, numbers ...int) map[string]bool {
	t.Helper()
	out := make(map[string]bool)
	for _, n := range numbers {
		out[addressOf(t, n)] = true
	}
	return out
}

// parseLines reads a key a line.
func parseLines(file string, text []byte) (keys []Entry, wrong []error) {
	for i, line := range strings.Fields(string(text)) {
		bz, err := hex.DecodeString(line)
		if err != nil || len(bz) != 32 {
			wrong = append(wrong, fmt.Errorf("%s:%d: is not a key", file, i+1))
			continue
		}
		keys = append(keys, Entry{At: fmt.Sprintf("line %d", i+1), Secret: bz})
	}
	return keys, wrong
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reasonsOf checks that no problem shows one of the secrets, and lists the reasons.
func reasonsOf(t testing.TB, l Loaded, secrets ...string) (reasons []Reason) {
	t.Helper()
	for _, p := range l.Problems {
		reasons = append(reasons, p.Reason)
		for _, s := range secrets {
			if strings.Contains(p.Error(), s) {
				t.Errorf("the problem shows a secret: %v", p)
			}
		}
		if strings.Contains(p.Error(), "\n") {
			t.Errorf("not one sentence: %v", p)
		}
		if !errors.Is(p, p.Err) {
			t.Errorf("%v does not unwrap", p)
		}
	}
	return reasons
}
