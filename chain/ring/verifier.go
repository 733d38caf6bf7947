package ring

import (
	"fmt"
	"sync/atomic"

	"github.com/pokt-network/go-dleq/secp256k1"
	"github.com/pokt-network/go-dleq/types"
	ringgo "github.com/pokt-network/ring-go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Verifier verifies relay request signatures. It is safe for concurrent use.
type Verifier struct {
	points *pointCache
	curve  types.Curve // of ring-go

	// Every checkEvery-th signature is verified by ring-go too, which is the
	// chain's judge. A disagreement is a bug here that costs money, so from the
	// first one on ring-go alone is asked.
	checkEvery uint64
	verified   atomic.Uint64
	distrusted atomic.Bool
	agreed     prometheus.Counter
	disagreed  prometheus.Counter
	log        *zap.Logger
}

// Option changes a Verifier from its defaults.
type Option func(*settings)

type settings struct {
	tableBytes int
	checkEvery uint64
	registerer prometheus.Registerer
	log        *zap.Logger
}

// WithTableMemory bounds the memory of window tables; the default is 256 MiB. A
// ring member takes 512 KiB, a key image 256 KiB. Points without tables are
// verified about three times slower.
func WithTableMemory(bytes int) Option { return func(s *settings) { s.tableBytes = bytes } }

// WithCrossCheck has every n-th signature verified by ring-go as well, none for
// n = 0. The default is 1024.
func WithCrossCheck(n uint64) Option { return func(s *settings) { s.checkEvery = n } }

// WithMetrics registers the cross-check's counters, and what the tables take.
func WithMetrics(reg prometheus.Registerer) Option { return func(s *settings) { s.registerer = reg } }

// WithLog sets where a disagreement with ring-go is reported.
func WithLog(log *zap.Logger) Option { return func(s *settings) { s.log = log } }

// NewVerifier makes a verifier.
func NewVerifier(opts ...Option) *Verifier {
	s := settings{tableBytes: 256 << 20, checkEvery: 1024, log: zap.NewNop()}
	for _, opt := range opts {
		opt(&s)
	}
	v := &Verifier{points: newPointCache(s.tableBytes), curve: secp256k1.NewCurve(), checkEvery: s.checkEvery, log: s.log}
	v.agreed, v.disagreed = crossChecks(s.registerer)
	if s.registerer != nil {
		s.registerer.MustRegister(v.points.gauges()...)
	}
	return v
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
	if v.distrusted.Load() {
		return v.verifyReference(msg, s)
	}
	err = v.points.verify(msg, s)
	if v.checkEvery > 0 && v.verified.Add(1)%v.checkEvery == 0 {
		return v.crossCheck(msg, s, err)
	}
	return err
}

// crossCheck returns ring-go's verdict.
func (v *Verifier) crossCheck(msg [32]byte, s signature, ours error) error {
	theirs := v.verifyReference(msg, s)
	if (ours == nil) == (theirs == nil) {
		v.agreed.Inc()
		return theirs
	}
	v.disagreed.Inc()
	v.distrusted.Store(true)
	v.log.Error("ring verifier disagrees with ring-go; only ring-go is used from now on",
		zap.NamedError("ours", ours), zap.NamedError("theirs", theirs), zap.Binary("message", msg[:]), zap.Binary("signature", s))
	return theirs
}

// verifyReference asks ring-go, the chain's own judge. It is called after the
// guards of parse: without them ring-go panics on short input.
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
