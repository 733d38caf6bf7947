package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/pokt-network/poktroll/pkg/crypto/rings"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/metadata"

	"github.com/raftminer/raftminer/chain"
)

const simulationKey = "healthcheck"

// fakeSeen remembers everything.
type fakeSeen struct {
	mu   sync.Mutex
	seen map[[32]byte]bool
	err  error
}

func (s *fakeSeen) First(_ context.Context, key [32]byte, _ time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[[32]byte]bool)
	}
	first := !s.seen[key]
	s.seen[key] = true
	return first, s.err
}

// pin lets the fixture's ring simulate relays.
func (w *world) pin() *SimulatedIdentity {
	w.t.Helper()
	w.config.Simulation = Simulation{Identities: []SimulatedIdentity{{
		KeyID: simulationKey, Application: w.chain.ring[0], Gateways: w.chain.ring[1:], PerSecond: 100,
	}}}
	return &w.config.Simulation.Identities[0]
}

// simulated is a request of a session that was made at a time, after edits.
func (w *world) simulated(at time.Time, edit func(r *servicetypes.RelayRequest)) []byte {
	w.t.Helper()
	req := w.request(jsonRPC("hello"))
	h := req.Meta.SessionHeader
	var err error
	if h.ApplicationAddress, err = chain.AddressOf(w.chain.ring[0]); err != nil {
		w.t.Fatal(err)
	}
	h.SessionId, h.SessionStartBlockHeight, h.SessionEndBlockHeight = fmt.Sprintf("simv1:%d:0011223344556677", at.Unix()), 1, 2
	if edit != nil {
		edit(req)
	}
	return w.sign(req)
}

func TestSimulatedRelays(t *testing.T) {
	now := time.Now()
	header := func(edit func(r *servicetypes.RelayRequest)) func(w *world) []byte {
		return func(w *world) []byte { return w.simulated(time.Now(), edit) }
	}
	plain := header(nil)
	for name, test := range map[string]struct {
		prepare func(w *world, id *SimulatedIdentity)
		body    func(w *world) []byte
		key     string
		want    Reason // reasonCount: served
	}{
		"valid":            {nil, plain, simulationKey, reasonCount},
		"unknown key":      {nil, plain, "nobody", ReasonBadSignature},
		"no longer valid":  {func(_ *world, id *SimulatedIdentity) { id.NotAfter = now.Add(-time.Hour) }, plain, simulationKey, ReasonSessionExpired},
		"other service":    {func(_ *world, id *SimulatedIdentity) { id.Services = []string{"else"} }, plain, simulationKey, ReasonUnsupportedTransport},
		"old":              {nil, func(w *world) []byte { return w.simulated(now.Add(-time.Hour), nil) }, simulationKey, ReasonSessionExpired},
		"ahead":            {nil, func(w *world) []byte { return w.simulated(now.Add(time.Hour), nil) }, simulationKey, ReasonSessionExpired},
		"session on chain": {nil, header(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionId = "session-1" }), simulationKey, ReasonSessionUnknown},
		"other application": {nil, header(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.ApplicationAddress = r.Meta.SupplierOperatorAddress
		}), simulationKey, ReasonSessionMismatch},
		"other supplier":         {nil, header(func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = "pokt1nobody" }), simulationKey, ReasonForeignSupplier},
		"other ring":             {func(_ *world, id *SimulatedIdentity) { id.Gateways = [][]byte{id.Application} }, plain, simulationKey, ReasonBadSignature},
		"replays cannot be told": {func(w *world, _ *SimulatedIdentity) { w.seen.err = errors.New("redis is away") }, plain, simulationKey, ReasonMeter},
		"too many at once": {func(w *world, _ *SimulatedIdentity) {
			w.started = func(s *Server) { s.pipeline.simulation.inFlight.most = 0 }
		}, plain, simulationKey, ReasonRateLimited},
		"nothing is pinned": {func(w *world, _ *SimulatedIdentity) { w.config.Simulation = Simulation{} }, plain, simulationKey, ReasonSessionMismatch},
		"no header":         {nil, plain, "", ReasonSessionMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.chain.setHeight(45)
			id := w.pin()
			if test.prepare != nil {
				test.prepare(w, id)
			}
			s, url := w.start()
			var headers []string
			if test.key != "" {
				headers = []string{headerSimulation, test.key}
			}
			_, res := post(t, url, test.body(w), headers...)
			w.checkSimulated(s, res, test.want)
		})
	}
}

// checkSimulated: whatever comes of it, nobody pays.
func (w *world) checkSimulated(s *Server, res *servicetypes.RelayResponse, want Reason) {
	w.t.Helper()
	if want == reasonCount {
		if err := res.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil || res.RelayMinerError != nil {
			w.t.Errorf("not served: %v, %v", res.RelayMinerError, err)
		}
		if n := testutil.ToFloat64(s.pipeline.simulation.served); n != 1 {
			w.t.Errorf("%v simulated relays are counted, want 1", n)
		}
	} else if n := rejections(s, want); n != 1 || res.RelayMinerError == nil {
		w.t.Errorf("got %v, want %s", res.RelayMinerError, want)
	}
	if n := len(w.stream.published()); n != 0 {
		w.t.Errorf("%d relays are in the stream", n)
	}
	w.checkCharged(0)
}

func TestASimulatedRelayIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	w.pin()
	s, url := w.start()
	body := w.simulated(time.Now(), nil)
	for i, code := range []uint32{0, 1} {
		if _, res := post(t, url, body, headerSimulation, simulationKey); res.GetRelayMinerError().GetCode() != code {
			t.Errorf("time %d: got %v", i+1, res.RelayMinerError)
		}
	}
	if n := testutil.ToFloat64(s.pipeline.simulation.refused); n != 1 {
		t.Errorf("%v simulated relays were refused, want 1", n)
	}
}

func TestSimulatedRelaysAreLimited(t *testing.T) {
	w := newWorld(t)
	w.pin()
	w.started = func(s *Server) { s.pipeline.simulation.identities[simulationKey].bucket = once.bucket() }
	s, url := w.start()
	for range 5 {
		post(t, url, w.simulated(time.Now(), nil), headerSimulation, simulationKey)
	}
	if n := rejections(s, ReasonRateLimited); n != 4 {
		t.Errorf("%v of 5 relays were over the rate, want 4", n)
	}
	w.checkCharged(0)
}

// The other transports name the key in their own way.
func TestSimulatedRelaysOnOtherTransports(t *testing.T) {
	for name, send := range map[string]func(w *world, url string) *servicetypes.RelayResponse{
		"grpc": func(w *world, url string) *servicetypes.RelayResponse {
			ctx, cancel := context.WithTimeout(context.Background(), socketPatience)
			defer cancel()
			ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(headerSimulation), simulationKey)
			res, err := w.callContext(ctx, url, w.simulated(time.Now(), nil), "3")
			if err != nil {
				w.t.Fatal(err)
			}
			return res
		},
		"websocket": func(w *world, url string) *servicetypes.RelayResponse {
			conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), map[string][]string{headerSimulation: {simulationKey}})
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { _ = conn.Close() })
			c := &client{w, conn}
			c.send(w.simulated(time.Now(), nil))
			return c.next()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.speakBoth()
			w.pin()
			s, url := w.start()
			w.checkSimulated(s, send(w, url), reasonCount)
		})
	}
}

func TestIdentitiesThatMustNotBePinned(t *testing.T) {
	for name, edit := range map[string]func(c *Simulation){
		"no gateway":       func(c *Simulation) { c.Identities[0].Gateways = nil },
		"the placeholder":  func(c *Simulation) { c.Identities[0].Gateways = [][]byte{rings.PlaceholderRingPubKey.Bytes()} },
		"no key":           func(c *Simulation) { c.Identities[0].Application = nil },
		"no id":            func(c *Simulation) { c.Identities[0].KeyID = "" },
		"an id of another": func(c *Simulation) { c.Identities = append(c.Identities, c.Identities[0]) },
	} {
		w := newWorld(t)
		w.pin()
		edit(&w.config.Simulation)
		if _, err := newSimulation(w.config.Simulation, nil, prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: it was pinned", name)
		}
	}
}

func FuzzSessionTime(f *testing.F) {
	f.Add("simv1:1700000000:00ff")
	f.Add("simv1::")
	f.Add("simv2:1:1")
	f.Fuzz(func(t *testing.T, id string) {
		at, ok := sessionTime(id)
		parts := strings.Split(id, ":")
		if len(parts) != 3 && !ok {
			return
		}
		unix, err := strconv.ParseInt(parts[1], 10, 64)
		if want := err == nil && len(parts) == 3 && parts[0] == "simv1" && parts[2] != ""; ok != want || ok && at.Unix() != unix {
			t.Errorf("%q: got %s, %t, want %t", id, at, ok, want)
		}
	})
}
