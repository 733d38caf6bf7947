package relayproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"golang.org/x/net/http2"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// overHTTP2 is a client that may send what gRPC would not.
func (w *world) overHTTP2() *http.Client {
	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// post2 sends a body as a call and returns the status and the message.
func (w *world) post2(client *http.Client, url, path, kind string, body io.Reader) (status string, message []byte, err error) {
	req, err := http.NewRequest(http.MethodPost, url+path, body)
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", kind)
	res, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.Status + " " + res.Trailer.Get("Grpc-Status"), raw, err
}

func framed(flags byte, size int, message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flags}, uint32(size))) + message
}

func TestWhatGRPCDoesNotServe(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	for name, tc := range map[string]struct{ path, kind, body, want string }{
		"another method":  {"/pocket.service.RelayService/Other", grpcType, framed(0, 1, "x"), "200 OK 12"},
		"another service": {"/grpc.health.v1.Health/Check", grpcType, framed(0, 0, ""), "200 OK 12"},
		"no gRPC":         {relayPath, "application/json", "{}", "415 Unsupported Media Type "},
		"compressed":      {relayPath, grpcType, framed(1, 1, "x"), "200 OK 12"},
		"no message":      {relayPath, grpcType, "", "200 OK 3"},
		"half a message":  {relayPath, grpcType, framed(0, 10, "half"), "200 OK 3"},
		"too large":       {relayPath, grpcType, framed(0, 1<<31, "x"), "200 OK 8"},
		"an empty one":    {relayPath, grpcType + "+proto", framed(0, 0, ""), "200 OK 0"},
	} {
		got, _, err := w.post2(w.overHTTP2(), url, tc.path, tc.kind, strings.NewReader(tc.body))
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
	if n := len(w.stream.published()); n != 0 {
		t.Errorf("%d relays were published", n)
	}
}

// What has come of messages that are not whole is counted, and what is too much refused
// before it is in memory. When they are given up there is room again.
func TestMessagesOnTheirWayAreCounted(t *testing.T) {
	w := newWorld(t)
	const sent = 600 << 10
	w.config.Limits.MaxMemory = 2 << 20
	s, url := w.start()
	client := w.overHTTP2()
	var pipes []*io.PipeWriter
	ended := make(chan []byte, 8)
	for range cap(ended) {
		from, to := io.Pipe()
		pipes = append(pipes, to)
		go func() {
			_, message, _ := w.post2(client, url, relayPath, grpcType, from)
			_ = from.Close()
			ended <- message
		}()
		go func() { _, _ = io.WriteString(to, framed(0, 10<<20, strings.Repeat("x", sent))) }()
	}
	refused := <-ended
	var res servicetypes.RelayResponse
	if err := res.Unmarshal(refused[frameHead:]); err != nil || res.RelayMinerError.GetCode() != 7 {
		t.Errorf("got %v, %v, want a refusal for the load", res.RelayMinerError, err)
	}
	if n := s.pipeline.admission.bytes.Load(); n == 0 || n > 2<<20 {
		t.Errorf("%d bytes are in flight, at most %d may be", n, 2<<20)
	}
	for _, pipe := range pipes {
		_ = pipe.CloseWithError(errors.New("given up"))
	}
	waitFor(t, func() bool { return s.pipeline.admission.bytes.Load() == 0 })
	if res, err := w.call(url, w.signed("hello"), "3"); err != nil || res.RelayMinerError != nil {
		t.Errorf("afterwards: %v, %v", res, err)
	}
}

// Calls that wait for their messages are bounded over all connections, and make room when
// they end.
func TestCallsThatWaitAreBounded(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.MaxConcurrent = 2
	s, url := w.start()
	client := w.overHTTP2()
	var pipes []*io.PipeWriter
	for range 2 {
		from, to := io.Pipe()
		pipes = append(pipes, to)
		go func() { _, _, _ = w.post2(client, url, relayPath, grpcType, from) }()
	}
	waiting := func() int64 { return s.pipeline.admission.arriving.taken.Load() }
	waitFor(t, func() bool { return waiting() == 2 })
	if res, err := w.call(url, w.signed("hello"), "3"); err != nil || res.RelayMinerError.GetCode() != 7 {
		t.Errorf("one too many: got %v, %v, want a refusal for the load", res, err)
	}
	for _, pipe := range pipes {
		_ = pipe.CloseWithError(errors.New("given up"))
	}
	waitFor(t, func() bool { return waiting() == 0 })
	if res, err := w.call(url, w.signed("hello"), "3"); err != nil || res.RelayMinerError != nil {
		t.Errorf("with room: %v, %v", res, err)
	}
}

// A list of headers that no client needs is not taken, and the relayer goes on.
func TestHugeHeadersOverGRPC(t *testing.T) {
	w := newWorld(t)
	_, url := w.start()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-huge", strings.Repeat("x", 100<<10))
	if res, err := w.callContext(ctx, url, w.signed("hello"), "3"); err == nil {
		t.Errorf("served: %v", res)
	}
	if res, err := w.call(url, w.signed("hello"), "3"); err != nil || res.RelayMinerError != nil {
		t.Errorf("afterwards: %v, %v", res, err)
	}
}

// Frames that take calls back are counted wherever reading cuts them.
func TestResetsAreCounted(t *testing.T) {
	var wire bytes.Buffer
	wire.WriteString(http2.ClientPreface)
	out := http2.NewFramer(&wire, nil)
	const resets = 40
	for i := range uint32(resets) {
		_ = out.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: make([]byte, 50), EndHeaders: true})
		_ = out.WriteData(2*i+1, false, bytes.Repeat([]byte{byte(http2.FrameRSTStream)}, int(i*i)))
		_ = out.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		_ = out.WritePing(false, [8]byte{})
	}
	for range 100 {
		c := newPacedConn(nil, rate.NewLimiter(rate.Inf, 0))
		got := 0
		for rest := wire.Bytes(); len(rest) > 0; {
			n := 1 + rand.IntN(min(64, len(rest)))
			got += c.resets(rest[:n])
			rest = rest[n:]
		}
		if got != resets {
			t.Fatalf("counted %d, want %d", got, resets)
		}
	}
}

// A client that takes its calls back as fast as it can is slowed down.
func TestResetsArePaced(t *testing.T) {
	const resets = freeResetsAtOnce + moreResetsAtOnce + moreResets/2
	var wire bytes.Buffer
	wire.WriteString(http2.ClientPreface)
	out := http2.NewFramer(&wire, nil)
	for i := range uint32(resets) {
		_ = out.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
	}
	ours, theirs := net.Pipe()
	go func() { _, _ = theirs.Write(wire.Bytes()); _ = theirs.Close() }()
	began := time.Now()
	if n, err := io.Copy(io.Discard, newPacedConn(ours, newResetBudget())); err != nil || n == 0 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	// Half a second for those beyond what is free at once.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("%d calls were taken back within %s", resets, took)
	}
}

// A connection that a call comes on while the relayer drains ends with it.
func TestDrainSendsGRPCClientsAway(t *testing.T) {
	w := newWorld(t)
	s, url := w.start()
	conn := w.grpcConn(url)
	defer conn.Close()
	body := w.signed("hello")
	call := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), socketPatience)
		defer cancel()
		var reply []byte
		return conn.Invoke(ctx, relayPath, &body, &reply)
	}
	if err := call(); err != nil || conn.GetState() != connectivity.Ready {
		t.Fatalf("%v, %v", conn.GetState(), err)
	}
	s.Drain()
	if err := call(); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { return conn.GetState() != connectivity.Ready })
	if n := s.Late(); n != 1 {
		t.Errorf("%d calls came late, want 1", n)
	}
	if err := call(); status.Code(err) != codes.OK {
		t.Errorf("who comes again is served: %v", err)
	}
}
