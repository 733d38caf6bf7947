package certificate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/raftminer/raftminer/relayproxy/certificate/certtest"
)

// pairIn is a certificate in files that a test writes.
type pairIn struct {
	*certtest.Authority
	t     *testing.T
	files Files
}

func newPair(t *testing.T) *pairIn {
	dir := t.TempDir()
	return &pairIn{certtest.New(t), t, Files{
		Setting: "relayer.tls", Cert: filepath.Join(dir, "relayer.crt"), Key: filepath.Join(dir, "relayer.key"),
	}}
}

// write replaces a file: one that is written twice within a tick of the kernel's clock
// looks the same.
func (p *pairIn) write(path string, content []byte) {
	p.t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pairIn) issue(serial int64, from time.Time) {
	p.t.Helper()
	cert, key := p.Issue(serial, from)
	p.write(p.files.Cert, cert)
	p.write(p.files.Key, key)
}

// Whatever is wrong with the files is one sentence that names the setting.
func TestWhatIsWrongWithAPair(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(p *pairIn)
		says   string // "": nothing is wrong
	}{
		"nothing":           {func(*pairIn) {}, ""},
		"no certificate":    {func(p *pairIn) { _ = os.Remove(p.files.Cert) }, "relayer.tls.cert: the certificate cannot be served: open "},
		"no key":            {func(p *pairIn) { _ = os.Remove(p.files.Key) }, "relayer.tls.key: the private key cannot be served: open "},
		"another's key":     {func(p *pairIn) { _, key := p.Issue(2, time.Now()); p.write(p.files.Key, key) }, "private key does not match public key"},
		"half a key":        {func(p *pairIn) { p.half(p.files.Key) }, "relayer.tls: "},
		"half of the other": {func(p *pairIn) { p.half(p.files.Cert) }, "relayer.tls: "},
		"expired":           {func(p *pairIn) { p.issue(2, time.Now().Add(-2*time.Hour)) }, "it expired at"},
		"of tomorrow":       {func(p *pairIn) { p.issue(2, time.Now().Add(24*time.Hour)) }, "it is valid from"},
		"of a clock ahead":  {func(p *pairIn) { p.issue(2, time.Now().Add(3*time.Minute)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.issue(1, time.Now())
			tc.change(p)
			_, err := Follow(p.files, NewMetrics(prometheus.NewRegistry()), zap.NewNop())
			if tc.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrUnusable) {
				t.Fatalf("got %v, want %v", err, ErrUnusable)
			}
			if text := err.Error(); !strings.Contains(text, tc.says) || !strings.HasPrefix(text, "relayer.tls") || strings.Contains(text, "\n") {
				t.Errorf("got %q, want one sentence with the setting and %q", text, tc.says)
			}
		})
	}
}

func (p *pairIn) half(path string) {
	p.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(path, content[:len(content)/2])
}

// followed is a follower whose looks a test takes.
type followed struct {
	*pairIn
	*Follower
	metrics *Metrics
	log     *observer.ObservedLogs
}

func follow(t *testing.T) *followed {
	t.Helper()
	p := newPair(t)
	p.issue(1, time.Now())
	core, log := observer.New(zap.InfoLevel)
	m := NewMetrics(prometheus.NewRegistry())
	f, err := Follow(p.files, m, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	return &followed{p, f, m, log}
}

// check looks as often as it takes, and checks what is served then.
func (f *followed) check(serial int64, loaded, failed float64, logged int) {
	f.t.Helper()
	for range 3 {
		f.look()
	}
	pair, err := f.Certificate(nil)
	if err != nil || pair.Leaf.SerialNumber.Int64() != serial {
		f.t.Errorf("serves %v, %v, want %d", pair.Leaf.SerialNumber, err, serial)
	}
	if got := testutil.ToFloat64(f.metrics.loads.WithLabelValues("relayer.tls", "loaded")); got != loaded {
		f.t.Errorf("%g certificates were loaded, want %g", got, loaded)
	}
	if got := testutil.ToFloat64(f.metrics.loads.WithLabelValues("relayer.tls", "failed")); (got > 0) != (failed > 0) {
		f.t.Errorf("%g could not be loaded, want %g", got, failed)
	}
	if got := testutil.ToFloat64(f.metrics.expiry.WithLabelValues("relayer.tls")); got != float64(pair.Leaf.NotAfter.Unix()) {
		f.t.Errorf("expires at %g, want %d", got, pair.Leaf.NotAfter.Unix())
	}
	if got := f.log.FilterMessageSnippet("certificate").Len(); got != logged {
		f.t.Errorf("%d lines were logged, want %d: %v", got, logged, f.log.All())
	}
}

// A renewed pair is served. One that is not complete is not: it is told once, and
// served as soon as it is.
func TestFollow(t *testing.T) {
	f := follow(t)
	f.check(1, 0, 0, 0)
	f.issue(2, time.Now())
	f.check(2, 1, 0, 1)
	cert, key := f.Issue(3, time.Now())
	f.write(f.pairIn.files.Cert, cert)
	f.check(2, 1, 1, 2)
	f.check(2, 1, 1, 2) // is not told again
	f.write(f.pairIn.files.Key, key[:100])
	f.check(2, 1, 1, 3) // other trouble is
	f.write(f.pairIn.files.Key, key)
	f.check(3, 2, 1, 4)
	f.issue(4, time.Now().Add(-2*time.Hour))
	f.check(3, 2, 1, 5) // expired
	if err := f.Ready(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(f.pairIn.files.Cert); err != nil {
		t.Fatal(err)
	}
	f.check(3, 2, 1, 6)
}

// What is served runs out.
func TestExpiry(t *testing.T) {
	f := follow(t)
	if err := f.Ready(); err != nil {
		t.Fatal(err)
	}
	old := *f.pair.Load()
	leaf := *old.Leaf
	leaf.NotAfter = time.Now().Add(-time.Second)
	old.Leaf = &leaf
	f.pair.Store(&old)
	if err := f.Ready(); !errors.Is(err, ErrUnusable) {
		t.Errorf("got %v, want %v", err, ErrUnusable)
	}
}
