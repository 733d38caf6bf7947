package relayproxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/pokt-network/poktroll/pkg/crypto/rings"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/raftminer/raftminer/chain"
)

// headerSimulation names the pinned key that a simulated relay is signed for: a header
// of requests and WebSocket handshakes, metadata of gRPC.
const headerSimulation = "Pocket-Simulation-Key-Id"

// simulatedPrefix begins the session id of a simulated relay; the seconds since 1970
// and a nonce follow. It is signed, so it cannot be made younger.
const simulatedPrefix = "simv1"

// Simulation lets an operator try a live relayer without stake. Who holds a key of a
// ring that is pinned here may send relays of sessions that exist on no chain; they
// are verified, forwarded and signed like any other, and never charged or mined. The
// wire contract is that of the relay miner in the field and its tools.
type Simulation struct {
	Window        time.Duration // that a session id may differ from our clock; 0 means DefaultSimulationWindow
	MaxConcurrent int           // relays in flight; 0 means DefaultSimulationConcurrent
	Identities    []SimulatedIdentity
}

// SimulatedIdentity is a ring that may sign simulated relays.
type SimulatedIdentity struct {
	KeyID       string
	Application []byte   // compressed public key
	Gateways    [][]byte // at least one
	Services    []string // none means all
	PerSecond   int      // 0 means DefaultSimulationRate
	NotAfter    time.Time
}

// Defaults of Simulation.
const (
	DefaultSimulationWindow     = 30 * time.Second
	DefaultSimulationConcurrent = 32
	DefaultSimulationRate       = 5 // relays a second of an identity
)

// ErrSimulatedIdentity is an identity that must not be pinned.
var ErrSimulatedIdentity = errors.New("simulated identity")

// simulation verifies simulated relays. It is safe for concurrent use.
type simulation struct {
	window     time.Duration
	identities map[string]*simulated
	inFlight   turns
	seen       Seen
	served     prometheus.Counter
	refused    prometheus.Counter
}

type simulated struct {
	application string // address
	ring        [][]byte
	services    []string
	bucket      *rate.Limiter
	notAfter    time.Time
}

// newSimulation is nil when nothing is pinned: then the header means nothing.
func newSimulation(cfg Simulation, seen Seen, reg prometheus.Registerer) (*simulation, error) {
	if len(cfg.Identities) == 0 {
		return nil, nil
	}
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "ha_relayer", Name: "simulated_relays_total", Help: "Simulated relays by result: served, refused.",
	}, []string{"result"})
	s := &simulation{
		window: cfg.Window, identities: make(map[string]*simulated), seen: seen,
		served: results.WithLabelValues("served"), refused: results.WithLabelValues("refused"),
	}
	if s.window <= 0 {
		s.window = DefaultSimulationWindow
	}
	if s.inFlight.most = int64(cfg.MaxConcurrent); s.inFlight.most <= 0 {
		s.inFlight.most = DefaultSimulationConcurrent
	}
	for _, id := range cfg.Identities {
		known, err := newSimulated(id)
		if err == nil && (id.KeyID == "" || s.identities[id.KeyID] != nil) {
			err = fmt.Errorf("%w: its key id is missing or taken", ErrSimulatedIdentity)
		}
		if err != nil {
			return nil, fmt.Errorf("simulation key %q: %w", id.KeyID, err)
		}
		s.identities[id.KeyID] = known
	}
	return s, reg.Register(results)
}

func newSimulated(id SimulatedIdentity) (*simulated, error) {
	if len(id.Gateways) == 0 {
		return nil, fmt.Errorf("%w: it has no gateway", ErrSimulatedIdentity)
	}
	out := &simulated{ring: slices.Concat([][]byte{id.Application}, id.Gateways), services: id.Services, notAfter: id.NotAfter}
	for _, key := range out.ring {
		if rings.PlaceholderRingPubKey.Equals(&secp256k1.PubKey{Key: key}) {
			return nil, fmt.Errorf("%w: anybody can sign with the placeholder of a ring", ErrSimulatedIdentity)
		}
	}
	var err error
	out.application, err = chain.AddressOf(id.Application)
	if id.PerSecond <= 0 {
		id.PerSecond = DefaultSimulationRate
	}
	out.bucket = rate.NewLimiter(rate.Limit(id.PerSecond), id.PerSecond)
	return out, err
}

// sessionTime is when a simulated session was made.
func sessionTime(id string) (time.Time, bool) {
	prefix, rest, _ := strings.Cut(id, ":")
	seconds, nonce, _ := strings.Cut(rest, ":")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(unix, 0), err == nil && prefix == simulatedPrefix && nonce != "" && !strings.Contains(nonce, ":")
}

// verifySimulated stands for verify: the ring is the pinned one, the session is known
// to be young instead of known to the chain, and each relay is taken once.
func (p *pipeline) verifySimulated(ctx context.Context, r *relay, keyID string) *Refusal {
	s, h := p.simulation, r.header()
	id := s.identities[keyID]
	if id == nil {
		return refuse(ReasonBadSignature, "no simulation key %q", clip(keyID))
	}
	made, ok := sessionTime(h.SessionId)
	age := r.arrived.Sub(made).Abs()
	switch {
	case !id.notAfter.IsZero() && r.arrived.After(id.notAfter):
		return refuse(ReasonSessionExpired, "simulation key %q is no longer valid", keyID)
	case h.ApplicationAddress != id.application:
		return refuse(ReasonSessionMismatch, "simulation key %q is of another application", keyID)
	case len(id.services) > 0 && !slices.Contains(id.services, h.ServiceId):
		return refuse(ReasonUnsupportedTransport, "simulation key %q is not for this service", keyID)
	case !ok:
		return refuse(ReasonSessionUnknown, "not the session of a simulated relay")
	case age >= s.window:
		return refuse(ReasonSessionExpired, "the session was made %s ago or ahead", age)
	}
	if refusal := p.verifyRing(r, id.ring); refusal != nil {
		return refusal
	}
	if !id.bucket.AllowN(r.arrived, 1) {
		return &Refusal{Reason: ReasonRateLimited, Detail: "too many simulated relays"}
	}
	// As long as its session may be young by our clock, whoever set it.
	first, err := s.seen.First(ctx, sha256.Sum256(r.req.Meta.Signature), 2*s.window)
	switch {
	case err != nil:
		return refuseFor(ReasonMeter, err, "nobody can tell whether this is a replay")
	case !first:
		return refuse(ReasonSessionMismatch, "this relay was seen before")
	}
	r.simulated, r.unpaid = s, true
	r.windows = forever
	return nil
}
