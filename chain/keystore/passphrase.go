package keystore

import (
	"os"
	"strings"
)

// Passphrase is in a file or in the environment; both empty is none.
type Passphrase struct{ File, Env string }

func (p Passphrase) read() (string, error) {
	if p.Env != "" {
		text, ok := os.LookupEnv(p.Env)
		if !ok || text == "" {
			return "", fail(ReasonLocked, "the environment variable %s with the passphrase is not set", p.Env)
		}
		return text, nil
	}
	if p.File == "" {
		return "", nil
	}
	bz, err := os.ReadFile(p.File)
	if err != nil {
		return "", fail(ReasonLocked, "the passphrase: %w", err)
	}
	text := strings.TrimRight(string(bz), "\r\n")
	if text == "" {
		return "", fail(ReasonLocked, "the passphrase file %s is empty", p.File)
	}
	return text, nil
}

// watch is what changes with the passphrase.
func (p Passphrase) watch() []string {
	if p.File == "" {
		return nil
	}
	return []string{p.File}
}
