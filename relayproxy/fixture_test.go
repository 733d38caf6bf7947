package relayproxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/types/bech32"
	dleq "github.com/pokt-network/go-dleq/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	ringgo "github.com/pokt-network/ring-go"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/ring"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

// Heights of the fixture: sessions of 10 blocks, one block of grace, claims
// open two blocks after the end.
const (
	sessionStart = 41
	sessionEnd   = 50
	graceEnd     = 51
	claimOpen    = 53
	testService  = "svc"
)

// world is everything around a server: a chain, an application with a gateway,
// a supplier, a backend, and the stream.
type world struct {
	t        testing.TB
	chain    *fakeChain
	stream   *fakeStream
	ledger   *fakeLedger
	seen     fakeSeen
	meter    *meter.Meter
	started  func(s *Server) // when set, start calls it
	supplier *chain.SupplierKey
	signers  signers
	app      string
	curve    dleq.Curve
	ring     *ringgo.Ring
	gateway  dleq.Scalar
	backend  *fakeBackend
	registry *prometheus.Registry
	config   Config
	port     Port        // what start serves, but for the listener
	trust    *tls.Config // of clients; nil: no TLS
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, curve: ringgo.Secp256k1(), registry: prometheus.NewRegistry(), stream: &fakeStream{}, ledger: &fakeLedger{}}
	w.supplier = newSupplier(t, 1)
	w.retire(0)
	w.app = address(t, "application")
	keys := w.makeRing()
	header := &sessiontypes.SessionHeader{
		ApplicationAddress: w.app, ServiceId: testService, SessionId: "session-1",
		SessionStartBlockHeight: sessionStart, SessionEndBlockHeight: sessionEnd,
	}
	w.chain = &fakeChain{
		height: 45, ring: keys, computeUnits: 100, target: everyRelay(), budget: 1_000_000,
		session: &sessiontypes.Session{
			Header: header, SessionId: header.SessionId,
			Suppliers: []*sharedtypes.Supplier{{OperatorAddress: w.supplier.Address()}},
		},
	}
	w.meter = meter.New(meter.Options{MaxLease: 1024}, w.chain, w.ledger, w.registry, zap.NewNop())
	w.backend = newBackend(t)
	w.config = Config{Services: map[string]Service{testService: {
		Timeout:  5 * time.Second,
		Backends: map[RPCType]Pool{RPCJSON: one(w.backend.url), RPCREST: one(w.backend.url + "/rest?key=abc")},
	}}}
	return w
}

// one is the only backend of an RPC type.
func one(url string) Pool { return Pool{Backends: []Backend{{URL: url}}} }

func (w *world) makeRing() [][]byte {
	app := w.curve.ScalarBaseMul(w.curve.NewRandomScalar())
	w.gateway = w.curve.NewRandomScalar()
	gateway := w.curve.ScalarBaseMul(w.gateway)
	var err error
	if w.ring, err = ringgo.NewFixedKeyRingFromPublicKeys(w.curve, []dleq.Point{app, gateway}); err != nil {
		w.t.Fatalf("make ring: %v", err)
	}
	return [][]byte{app.Encode(), gateway.Encode()}
}

func everyRelay() []byte {
	target := make([]byte, 32)
	for i := range target {
		target[i] = 0xff
	}
	return target
}

// signers are keys by supplier, with the height of their retirement.
type signers map[string]retiring

type retiring struct {
	Signer
	until int64
}

func (s signers) Signer(supplier string) (Signer, int64, bool) {
	key, ok := s[supplier]
	return key.Signer, key.until, ok
}

// retire lets the supplier serve sessions that start until a height; 0 is no limit.
func (w *world) retire(until int64) {
	w.signers = signers{w.supplier.Address(): {w.supplier, until}}
}

func newSupplier(t testing.TB, seed byte) *chain.SupplierKey {
	t.Helper()
	secret := make([]byte, 32)
	secret[31] = seed
	key, err := chain.NewSupplierKey(secret)
	if err != nil {
		t.Fatalf("make supplier key: %v", err)
	}
	return key
}

func address(t testing.TB, name string) string {
	t.Helper()
	hash := sha256.Sum256([]byte(name))
	out, err := bech32.ConvertAndEncode(chain.AddressPrefix, hash[:20])
	if err != nil {
		t.Fatalf("make address: %v", err)
	}
	return out
}

// request is an unsigned relay request for the fixture's session.
func (w *world) request(in *sdktypes.POKTHTTPRequest) *servicetypes.RelayRequest {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(in)
	if err != nil {
		w.t.Fatalf("marshal payload: %v", err)
	}
	header := *w.chain.session.Header
	return &servicetypes.RelayRequest{
		Meta:    servicetypes.RelayRequestMetadata{SessionHeader: &header, SupplierOperatorAddress: w.supplier.Address()},
		Payload: payload,
	}
}

func jsonRPC(body string) *sdktypes.POKTHTTPRequest {
	return &sdktypes.POKTHTTPRequest{
		Method: "POST", Url: "http://gateway.example/", BodyBz: []byte(body),
		Header: map[string]*sdktypes.Header{"Content-Type": {Key: "Content-Type", Values: []string{"application/json"}}},
	}
}

// sign puts the gateway's signature on req and returns its bytes.
func (w *world) sign(req *servicetypes.RelayRequest) []byte {
	req.Meta.Signature = nil
	digest, err := req.GetSignableBytesHash()
	if err != nil {
		w.t.Fatalf("hash request: %v", err)
	}
	sig, err := w.ring.Sign(digest, w.gateway)
	if err != nil {
		w.t.Fatalf("sign request: %v", err)
	}
	if req.Meta.Signature, err = sig.Serialize(); err != nil {
		w.t.Fatalf("serialize signature: %v", err)
	}
	return marshal(w.t, req)
}

func (w *world) signed(body string) []byte { return w.sign(w.request(jsonRPC(body))) }

func marshal(t testing.TB, req *servicetypes.RelayRequest) []byte {
	out, err := req.Marshal()
	if err != nil {
		t.Fatalf("marshal request: %v", err)
	}
	return out
}

func (w *world) server() *Server {
	w.t.Helper()
	s, err := New(w.config, Deps{
		Signers: w.signers,
		Head:    w.chain, Sessions: w.chain, Services: w.chain,
		Verifier: ring.NewVerifier(), Publisher: w.stream, Meter: w.meter, Seen: &w.seen,
		Registerer: w.registry, Log: zap.NewNop(),
	})
	if err != nil {
		w.t.Fatalf("make server: %v", err)
	}
	return s
}

// start serves on loopback until the test ends and returns the base URL.
func (w *world) start() (*Server, string) {
	w.t.Helper()
	s := w.server()
	if w.started != nil {
		w.started(s)
	}
	port, url := w.listen(w.port)
	done := make(chan error, 1)
	go func() { done <- s.Serve(port) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			w.t.Errorf("shut down: %v", err)
		}
		if err := <-done; err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
	return s, url
}

// post sends a request and returns the HTTP status and the decoded answer.
func post(t testing.TB, url string, body []byte, headers ...string) (int, *servicetypes.RelayResponse) {
	t.Helper()
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.SetRequestURI(url)
	req.Header.SetMethod("POST")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.SetBody(body)
	if err := fasthttp.DoTimeout(req, res, 30*time.Second); err != nil {
		t.Fatalf("post: %v", err)
	}
	out := new(servicetypes.RelayResponse)
	if err := out.Unmarshal(res.Body()); err != nil {
		t.Fatalf("decode answer %q: %v", res.Body(), err)
	}
	return res.StatusCode(), out
}

// fakeChain answers the chain's questions from memory.
type fakeChain struct {
	mu           sync.Mutex
	height       int64
	next         int64      // the block that Next brings; 0 is none
	blocks       chan int64 // when set, Next waits for one of these
	ring         [][]byte
	session      *sessiontypes.Session
	target       []byte
	computeUnits uint64
	budget       int64 // relays
	err          error
	ringErr      error
}

func (c *fakeChain) setHeight(h int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height = h
}

func (c *fakeChain) Latest() chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return chain.Block{Height: c.height}
}

// Next brings the block that the test set as the next one, if any.
func (c *fakeChain) Next(ctx context.Context, height int64) (chain.Block, error) {
	if c.blocks != nil {
		select {
		case c.next = <-c.blocks:
		case <-ctx.Done():
			return chain.Block{}, ctx.Err()
		}
	}
	if c.next <= height {
		return chain.Block{}, context.DeadlineExceeded
	}
	c.setHeight(c.next)
	return c.Latest(), nil
}

func (c *fakeChain) SharedParams(context.Context, int64) (*sharedtypes.Params, error) {
	return &sharedtypes.Params{
		NumBlocksPerSession: 10, GracePeriodEndOffsetBlocks: 1,
		ClaimWindowOpenOffsetBlocks: 2, ClaimWindowCloseOffsetBlocks: 4,
		ProofWindowCloseOffsetBlocks: 4,
	}, c.err
}

func (c *fakeChain) Session(context.Context, string, string, int64) (*sessiontypes.Session, error) {
	return c.session, c.err
}

func (c *fakeChain) RingKeys(context.Context, string, int64) ([][]byte, error) {
	return c.ring, cmp.Or(c.ringErr, c.err)
}

func (c *fakeChain) Difficulty(context.Context, string, int64) ([]byte, error) {
	return c.target, c.err
}

func (c *fakeChain) ComputeUnitsPerRelay(context.Context, string, int64) (uint64, error) {
	return c.computeUnits, c.err
}

func (c *fakeChain) RelayBudget(context.Context, chain.SessionRef) (chain.Budget, error) {
	return chain.Budget{Relays: c.budget}, c.err
}

// fakeLedger lends to the one relayer there is.
type fakeLedger struct {
	mu   sync.Mutex
	held int64
	err  error
}

func (l *fakeLedger) Lease(_ context.Context, s meter.Statement, want int64) (lent, left int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, 0, l.err
	}
	lent = max(0, min(want, s.Budget-s.Held))
	l.held = s.Held + lent
	return lent, max(0, s.Budget-l.held), nil
}

func (l *fakeLedger) Remove(context.Context, chain.SessionKey) error { return nil }

func (l *fakeLedger) Partition(chain.SessionKey) int { return 0 }

// charged is what is in flight or served, once nothing is leased ahead.
func (w *world) charged() int64 {
	w.t.Helper()
	w.ledger.mu.Lock()
	w.ledger.err = nil
	w.ledger.mu.Unlock()
	if err := w.meter.Close(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	return w.ledger.held
}

// checkCharged waits until the meter has charged for so many relays: what a
// connection leaves is refunded when it ends.
func (w *world) checkCharged(want int) {
	w.t.Helper()
	got := w.charged()
	for deadline := time.Now().Add(10 * time.Second); got != int64(want) && time.Now().Before(deadline); got = w.charged() {
		runtime.Gosched()
	}
	if got != int64(want) {
		w.t.Errorf("the meter charged for %d relays, want %d", got, want)
	}
}

// fakeStream records what is published.
type fakeStream struct {
	mu     sync.Mutex
	relays []ingest.MinedRelay
	err    error
}

func (s *fakeStream) Publish(_ context.Context, r ingest.MinedRelay) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.relays = append(s.relays, r)
	return nil
}

func (s *fakeStream) published() []ingest.MinedRelay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ingest.MinedRelay(nil), s.relays...)
}

// fakeBackend is a real HTTP server whose behaviour a test sets.
type fakeBackend struct {
	url   string
	mu    sync.Mutex
	serve fasthttp.RequestHandler
}

func newBackend(t testing.TB) *fakeBackend {
	t.Helper()
	b := &fakeBackend{serve: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(append([]byte("echo:"), ctx.PostBody()...))
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		b.mu.Lock()
		serve := b.serve
		b.mu.Unlock()
		serve(ctx)
	}, Logger: connectionLog{}}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = ln.Close() })
	b.url = "http://" + ln.Addr().String()
	return b
}

func (b *fakeBackend) handle(h fasthttp.RequestHandler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve = h
}

// serveOne serves one relay as a transport does.
func (p *pipeline) serveOne(ctx context.Context, body []byte) (answer, *relay, *Refusal) {
	h := p.admission.hold()
	defer h.leave()
	return p.serveBody(ctx, h, incoming{body: body, arrived: time.Now()})
}
