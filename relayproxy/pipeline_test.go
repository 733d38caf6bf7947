package relayproxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/raftminer/raftminer/ingest"
)

func backendAnswer(t testing.TB, res *servicetypes.RelayResponse) *sdktypes.POKTHTTPResponse {
	t.Helper()
	out := new(sdktypes.POKTHTTPResponse)
	if err := proto.Unmarshal(res.Payload, out); err != nil {
		t.Fatalf("decode payload %q: %v", res.Payload, err)
	}
	return out
}

func TestAServedRelayIsSignedAndInTheStream(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	raw := w.signed(`{"id":1}`)
	status, res := post(t, url+"/any/path?x=1", raw)
	if status != 200 || res.RelayMinerError != nil {
		t.Fatalf("got status %d and error %v, want a served relay", status, res.RelayMinerError)
	}
	if err := res.ValidateBasic(); err != nil {
		t.Errorf("response: %v", err)
	}
	if err := res.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
		t.Errorf("response signature: %v", err)
	}
	if want := sha256.Sum256(res.Payload); !bytes.Equal(res.PayloadHash, want[:]) {
		t.Errorf("payload hash %x, want %x", res.PayloadHash, want)
	}
	if got := backendAnswer(t, res); got.StatusCode != 200 || string(got.BodyBz) != `echo:{"id":1}` {
		t.Errorf("got backend answer %d %q", got.StatusCode, got.BodyBz)
	}
	checkLeaf(t, w, raw, res)
}

// checkLeaf checks what was published against what poktroll would mine.
func checkLeaf(t *testing.T, w *world, raw []byte, res *servicetypes.RelayResponse) {
	t.Helper()
	relays := w.stream.published()
	if len(relays) != 1 {
		t.Fatalf("%d relays in the stream, want 1", len(relays))
	}
	var req servicetypes.RelayRequest
	if err := req.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	bare := *res
	bare.Payload = nil
	want, err := (&servicetypes.Relay{Req: &req, Res: &bare}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got := relays[0]
	if !bytes.Equal(got.Relay, want) {
		t.Errorf("published %x\nwant %x", got.Relay, want)
	}
	if got.Supplier != w.supplier.Address() || got.SessionID != "session-1" || got.ComputeUnits != 100 {
		t.Errorf("published as %s %s %d", got.Supplier, got.SessionID, got.ComputeUnits)
	}
}

func TestARetiredSupplierServesItsSessionToTheEnd(t *testing.T) {
	w := newWorld(t)
	w.retire(sessionStart)
	_, url := w.start()
	if status, res := post(t, url, w.signed("{}")); status != 200 || res.RelayMinerError != nil {
		t.Errorf("got status %d and error %v, want a served relay", status, res.RelayMinerError)
	}
}

func TestRefusals(t *testing.T) {
	type row struct {
		name      string
		arrange   func(*world)
		body      func(*world) []byte
		headers   []string
		codespace string
		code      uint32
		reason    Reason
	}
	change := func(f func(*servicetypes.RelayRequest)) func(*world) []byte {
		return func(w *world) []byte {
			req := w.request(jsonRPC("{}"))
			f(req)
			return w.sign(req)
		}
	}
	valid := func(w *world) []byte { return w.signed("{}") }
	at := func(h int64) func(*world) { return func(w *world) { w.chain.setHeight(h) } }
	answerWith := func(h fasthttp.RequestHandler) func(*world) { return func(w *world) { w.backend.handle(h) } }

	for _, tc := range []row{
		{"empty body", nil, func(*world) []byte { return nil }, nil, codespaceProxy, 14, ReasonMalformed},
		{"random bytes", nil, func(*world) []byte { return []byte("\xff\xfe\x01 junk") }, nil, codespaceProxy, 14, ReasonMalformed},
		{"truncated protobuf", nil, func(w *world) []byte { b := valid(w); return b[:len(b)-5] }, nil, codespaceProxy, 14, ReasonMalformed},
		{"20 MiB body", nil, func(*world) []byte { return make([]byte, 20<<20) }, nil, codespaceProxy, 11, ReasonRequestTooLarge},
		{"over the service's limit", func(w *world) {
			s := w.config.Services[testService]
			s.MaxRequestBody = 300
			w.config.Services[testService] = s
			w.config.Services["other"] = Service{Backends: s.Backends}
		}, func(w *world) []byte { return w.signed(strings.Repeat("x", 400)) }, nil, codespaceProxy, 11, ReasonRequestTooLarge},
		{"missing header", nil, change(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil }), nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"missing signature", nil, func(w *world) []byte { return marshal(w.t, w.request(jsonRPC("{}"))) }, nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"missing supplier", nil, change(func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = "" }), nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"address of another chain", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.ApplicationAddress = "cosmos1qyqszqgpqyqszqgpqyqszqgpqyqszqgpjnp7du"
		}), nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"unknown service", nil, change(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "nope" }), nil, codespaceProxy, 3, ReasonUnknownService},
		{"no websocket backend", nil, valid, []string{"Rpc-Type", "2"}, codespaceProxy, 4, ReasonUnsupportedTransport},
		{"rpc type is a word", nil, valid, []string{"Rpc-Type", "json"}, codespaceProxy, 4, ReasonUnsupportedTransport},
		{"supplier of somebody else", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = newSupplier(t, 9).Address()
		}), nil, codespaceAuth, 6, ReasonForeignSupplier},
		{"supplier retired before the session", func(w *world) { w.retire(sessionStart - 1) }, valid, nil, codespaceAuth, 2, ReasonRetiredSupplier},
		{"no block seen", at(0), valid, nil, codespaceProxy, 5, ReasonChain},
		{"future session", at(sessionStart - 1), valid, nil, codespaceProxy, 6, ReasonSessionUnknown},
		{"grace period over", at(graceEnd + 1), valid, nil, codespaceProxy, 1, ReasonSessionExpired},
		{"claims open", at(claimOpen), valid, nil, codespaceProxy, 1, ReasonSessionExpired},
		{"ancient session", at(sessionEnd + maxSessionBlocks + 1), valid, nil, codespaceProxy, 1, ReasonSessionExpired},
		{"session of absurd length", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionEndBlockHeight = sessionStart + maxSessionBlocks
		}), nil, codespaceProxy, 6, ReasonSessionUnknown},
		{"start height off the grid", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight++
		}), nil, codespaceAuth, 1, ReasonSessionMismatch},
		{"end height off the grid", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionEndBlockHeight++
		}), nil, codespaceAuth, 1, ReasonSessionMismatch},
		{"forged signature", nil, func(w *world) []byte {
			raw := w.request(jsonRPC("{}"))
			w.sign(raw)
			raw.Payload[0] ^= 1
			return marshal(w.t, raw)
		}, nil, codespaceAuth, 4, ReasonBadSignature},
		{"ring of another application", func(w *world) { w.chain.ring = newWorld(t).chain.ring }, valid, nil, codespaceAuth, 4, ReasonBadSignature},
		{"short signature", nil, func(w *world) []byte {
			req := w.request(jsonRPC("{}"))
			req.Meta.Signature = []byte{1, 2}
			return marshal(w.t, req)
		}, nil, codespaceAuth, 4, ReasonBadSignature},
		{"session of another application", nil, change(func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.ApplicationAddress = address(t, "somebody else")
		}), nil, codespaceAuth, 1, ReasonSessionMismatch},
		{"another session id", nil, change(func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionId = "session-2" }), nil, codespaceAuth, 1, ReasonSessionMismatch},
		{"supplier not in the session", func(w *world) { w.chain.session.Suppliers[0] = &sharedtypes.Supplier{OperatorAddress: address(t, "x")} }, valid, nil, codespaceAuth, 2, ReasonSupplierNotInSession},
		{"chain away", func(w *world) { w.chain.err = errors.New("connection refused") }, valid, nil, codespaceProxy, 5, ReasonChain},
		{"no such application", func(w *world) { w.chain.ringErr = status.Error(codes.NotFound, "no such application") }, valid, nil, codespaceProxy, 6, ReasonSessionUnknown},
		{"short target", func(w *world) { w.chain.target = []byte{1} }, valid, nil, codespaceProxy, 5, ReasonChain},
		{"payload is not HTTP", nil, change(func(r *servicetypes.RelayRequest) { r.Payload = []byte("\xff\xff") }), nil, codespaceProxy, 14, ReasonMalformed},
		{"path climbs", nil, func(w *world) []byte {
			in := jsonRPC("{}")
			in.Url = "/a/%2e%2e/admin"
			return w.sign(w.request(in))
		}, nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"method smuggles a header", nil, func(w *world) []byte {
			in := jsonRPC("{}")
			in.Method = "POST / HTTP/1.1\r\nX: "
			return w.sign(w.request(in))
		}, nil, codespaceAuth, 4, ReasonInvalidRequest},
		{"backend down", func(w *world) { w.config.Services[testService].Backends[RPCJSON] = one(closedPort(t)) }, valid, nil, codespaceProxy, 9, ReasonBackendUnreachable},
		{"backend hangs up", answerWith(func(ctx *fasthttp.RequestCtx) { _ = ctx.Conn().Close() }), valid, nil, codespaceProxy, 9, ReasonBackendUnreachable},
		{"backend hangs", func(w *world) {
			s := w.config.Services[testService]
			s.Timeout = 100 * time.Millisecond
			w.config.Services[testService] = s
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			w.backend.handle(func(*fasthttp.RequestCtx) { <-release })
		}, valid, nil, codespaceProxy, 10, ReasonBackendTimeout},
		{"backend answers nothing", answerWith(func(*fasthttp.RequestCtx) {}), valid, nil, codespaceProxy, 5, ReasonEmptyResponse},
		{"backend answers too much", func(w *world) {
			s := w.config.Services[testService]
			s.MaxResponseBody = 100
			w.config.Services[testService] = s
			w.backend.handle(func(ctx *fasthttp.RequestCtx) { ctx.SetBody(make([]byte, 101)) })
		}, valid, nil, codespaceProxy, 12, ReasonResponseTooLarge},
		{"claims open while the backend works", func(w *world) {
			w.backend.handle(func(ctx *fasthttp.RequestCtx) { w.chain.setHeight(claimOpen); ctx.SetBodyString("late") })
		}, valid, nil, codespaceProxy, 1, ReasonSessionExpired},
		{"stream away", func(w *world) { w.stream.err = errors.New("dial tcp: connection refused") }, valid, nil, codespaceProxy, 5, ReasonPublish},
		{"session sealed", func(w *world) { w.stream.err = ingest.ErrSessionClosed }, valid, nil, codespaceProxy, 1, ReasonSessionExpired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.arrange != nil {
				tc.arrange(w)
			}
			s, url := w.start()
			status, res := post(t, url, tc.body(w), tc.headers...)
			got := res.RelayMinerError
			if status != 200 || got == nil {
				t.Fatalf("got status %d and %v, want a refusal", status, res)
			}
			if got.Codespace != tc.codespace || got.Code != tc.code {
				t.Errorf("got %s %d (%s), want %s %d", got.Codespace, got.Code, got.Message, tc.codespace, tc.code)
			}
			if len(res.Meta.SupplierOperatorSignature) != 0 || string(res.Payload) != got.Message {
				t.Errorf("refusal has signature %x and payload %q", res.Meta.SupplierOperatorSignature, res.Payload)
			}
			if n := len(w.stream.published()); n != 0 {
				t.Errorf("%d relays published, want none", n)
			}
			checkText(t, tc.reason, got.Message)
			if n := rejections(s, tc.reason); n != 1 {
				t.Errorf("relays_rejected_total{reason=%q} = %v, want 1", tc.reason, n)
			}
		})
	}
}

// checkText guards the words that gateways punish wherever they find them.
func checkText(t *testing.T, reason Reason, text string) {
	t.Helper()
	for _, word := range []string{"timeout", "bad gateway", "connection refused", "dial tcp", "<html"} {
		if strings.Contains(strings.ToLower(text), word) {
			t.Errorf("refusal %s says %q", reason, text)
		}
	}
}

func rejections(s *Server, reason Reason) float64 {
	n := testutil.ToFloat64(s.refusals.unknown[reason])
	seen := map[*route]bool{}
	for _, byType := range s.pipeline.routes {
		for _, r := range byType {
			if !seen[r] {
				n += testutil.ToFloat64(r.metrics.rejected[reason])
				seen[r] = true
			}
		}
	}
	return n
}

func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return "http://" + ln.Addr().String()
}

func TestRelaysInTheGracePeriodAreServed(t *testing.T) {
	w := newWorld(t)
	w.chain.setHeight(graceEnd)
	_, url := w.start()
	if _, res := post(t, url, w.signed("{}")); res.RelayMinerError != nil {
		t.Errorf("got %v, want a served relay", res.RelayMinerError)
	}
}

func TestBackendAnswersThatAreServed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		mined  bool
	}{
		{"ok", 200, "x", true},
		{"no content", 204, "", true},
		{"not modified", 304, "", true},
		{"the client's fault", 404, "", true},
		{"the backend's fault", 500, "broken", false},
		{"the backend's fault without a word", 503, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.backend.handle(func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(tc.status); ctx.SetBodyString(tc.body) })
			_, url := w.start()
			_, res := post(t, url, w.signed("{}"))
			if res.RelayMinerError != nil {
				t.Fatalf("got %v, want a signed answer", res.RelayMinerError)
			}
			if err := res.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
				t.Errorf("signature: %v", err)
			}
			if got := backendAnswer(t, res); int(got.StatusCode) != tc.status || string(got.BodyBz) != tc.body {
				t.Errorf("got %d %q, want %d %q", got.StatusCode, got.BodyBz, tc.status, tc.body)
			}
			if got := len(w.stream.published()) == 1; got != tc.mined {
				t.Errorf("mined: %v, want %v", got, tc.mined)
			}
		})
	}
}

func TestARelayAboveTheTargetIsServedButNotMined(t *testing.T) {
	w := newWorld(t)
	w.chain.target = make([]byte, 32)
	_, url := w.start()
	if _, res := post(t, url, w.signed("{}")); res.RelayMinerError != nil {
		t.Fatalf("got %v, want a served relay", res.RelayMinerError)
	}
	if n := len(w.stream.published()); n != 0 {
		t.Errorf("%d relays published, want none", n)
	}
}

func TestDifficultyIsStrict(t *testing.T) {
	leaf := []byte("leaf")
	hash := sha256.Sum256(leaf)
	above := hash
	above[31]++
	if applicable(leaf, hash[:]) {
		t.Error("a hash equal to the target counts, want strictly below")
	}
	if !applicable(leaf, above[:]) {
		t.Error("a hash below the target does not count")
	}
}

// A gateway sees a block a moment before this process: that costs nobody a relay.
func TestTheSessionOfTheNextBlockIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	w.chain.setHeight(sessionStart - 1)
	w.chain.next = sessionStart
	if status, res := post(t, url, w.signed(`{"id":1}`)); status != 200 || res.RelayMinerError != nil {
		t.Errorf("got status %d and error %v, want a served relay", status, res.RelayMinerError)
	}
}
