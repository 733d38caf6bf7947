package certificate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrUnusable: no client can take what is in the files.
var ErrUnusable = errors.New("cannot be served")

// skew is how much later than here it may be where certificates are made.
const skew = 5 * time.Minute

// Files are PEM files: the certificate with those that it was signed with, and its key.
type Files struct {
	Setting string // that names them, such as relayer.tls
	Cert    string
	Key     string
}

func (f Files) paths() []string { return []string{f.Cert, f.Key} }

// Load reads a pair that clients can take. An error is ErrUnusable, in one sentence
// that names the setting and the files.
func (f Files) Load(now time.Time) (*tls.Certificate, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("%s.cert: the certificate %w: %w", f.Setting, ErrUnusable, err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, fmt.Errorf("%s.key: the private key %w: %w", f.Setting, ErrUnusable, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %s with %s %w: %w", f.Setting, f.Cert, f.Key, ErrUnusable, err)
	}
	return &pair, f.inTime(&pair, now)
}

func (f Files) inTime(pair *tls.Certificate, now time.Time) error {
	why, limit := "", time.Time{}
	switch leaf := pair.Leaf; {
	case now.After(leaf.NotAfter):
		why, limit = "it expired at", leaf.NotAfter
	case now.Add(skew).Before(leaf.NotBefore):
		why, limit = "it is valid from", leaf.NotBefore
	default:
		return nil
	}
	return fmt.Errorf("%s.cert: %s %w: %s %s", f.Setting, f.Cert, ErrUnusable, why, limit.UTC().Format(time.RFC3339))
}
