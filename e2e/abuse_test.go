package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// abuse is how much of it there is: make test-abuse wants all of it.
type abuse struct {
	slow   int // connections of each kind that hold one and say little
	junk   int // requests
	conns  int // that send junk at once
	relays int // of a good client at least
	grpc   int // connections of each kind that abuse gRPC
	lasts  time.Duration
	heap   int64 // bytes that the relayer's heap may grow by
}

// A relayer under a flood of everything that costs a client nothing: good clients are
// served all the while, what is in memory stays bounded, nobody's budget moves, and
// nothing is left of it afterwards.
func TestRelayAbuse(t *testing.T) {
	size := abuse{slow: 40, junk: 1500, conns: 16, relays: 30, grpc: 6, lasts: 4 * time.Second, heap: 256 << 20}
	if os.Getenv("RAFTMINER_ABUSE") == "full" {
		size = abuse{slow: 1000, junk: 100_000, conns: 64, relays: 300, grpc: 40, lasts: 30 * time.Second, heap: 512 << 20}
	}
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 2000 // one session, however slow the machine is
	n, ctx := startOptions(t, devnet.Options{
		Chain: pocketchain.Options{Params: &params}, Miners: 1, Relayers: 1,
		Edit: func(_ string, config map[string]any) {
			if relayer, ok := config["relayer"].(map[string]any); ok {
				relayer["limits"] = map[string]any{"max_memory": 128 << 20}
			}
		},
	})
	good := &goodClient{badInput: newBadInput(t, ctx, n)}
	good.relayer = n.Manifest().Relayers[0].URLs["jsonrpc"]
	good.relay() // whatever is built once is built
	heap := n.metric(ctx, "relayer-1", heapMetric)
	f := newFlood(t, ctx, good)
	f.open(size.slow)
	n.await(ctx, "all abusers are connected", func() bool {
		return n.metric(ctx, "relayer-1", "ha_relayer_active_connections") >= float64(size.slow*len(slowKinds()))
	})
	good.took = nil
	flooded := time.Now()
	done := f.send(size.junk, size.conns)
	for len(good.took) < size.relays || !done() {
		good.relay()
		f.heap = max(f.heap, n.metric(ctx, "relayer-1", heapMetric)-heap)
	}
	took := time.Since(flooded)
	inFlight := n.metric(ctx, "relayer-1", "ha_relayer_in_flight_bytes")
	f.close()
	slices.Sort(good.took)
	t.Logf("%d slow connections, %d of %d junk requests answered in %s; %d good relays served, p50 %s, p99 %s; heap grew by %.0f MiB, %.0f KiB in flight",
		size.slow*len(slowKinds()), f.refused.Load(), size.junk, took.Round(time.Millisecond), len(good.took),
		good.took[len(good.took)/2].Round(time.Microsecond), good.took[len(good.took)*99/100].Round(time.Microsecond), f.heap/(1<<20), inFlight/1024)
	if f.served.Load() != 0 || f.refused.Load() == 0 {
		t.Errorf("%d junk requests were served, %d refused", f.served.Load(), f.refused.Load())
	}
	if f.heap > float64(size.heap) {
		t.Errorf("the heap grew by %.0f bytes, at most %d are wanted", f.heap, size.heap)
	}
	good.checkNothingLeft()
	f.checkGRPC(size)
}

// checkNothingLeft: what good relays cost was charged, and abusers have left nothing.
func (g *goodClient) checkNothingLeft() {
	g.t.Helper()
	n, ctx := g.net, g.ctx
	for name, want := range map[string]float64{
		"ha_relayer_relays_served_total":            float64(g.served),
		"ha_relayer_relays_published_total":         float64(g.served),
		"ha_relayer_relay_meter_consumptions_total": float64(g.served), // all of them committed
		"ha_relayer_relays_in_flight":               0,
		"ha_relayer_in_flight_bytes":                0,
	} {
		n.await(ctx, fmt.Sprintf("%s is %g", name, want), func() bool { return n.metric(ctx, "relayer-1", name) == want })
	}
	n.await(ctx, "no abuser is connected", func() bool {
		return n.metric(ctx, "relayer-1", "ha_relayer_active_connections") < 10 // the good client keeps some
	})
}

const heapMetric = "go_memstats_heap_alloc_bytes"

// goodClient sends one relay after another; each must be served.
type goodClient struct {
	*badInput
	conn    *grpc.ClientConn // every other relay goes over it, unless it is nil
	relayer string
	served  int
	took    []time.Duration
}

func (g *goodClient) relay() {
	g.t.Helper()
	began := time.Now()
	load, session := devnet.DefaultCall("eth", g.served), g.session(g.app, g.net.Chain().Height())
	var err error
	if g.conn == nil || g.served%2 == 0 {
		_, err = g.client.Send(g.ctx, g.relayer, session, g.supplier, load.RPCType, load.Call)
	} else if req, failed := g.client.Relay(session, g.supplier, load.Call); failed == nil {
		_, err = g.client.Invoke(g.ctx, g.conn, session, req, load.RPCType)
	} else {
		err = failed
	}
	if err != nil {
		g.t.Fatalf("good relay %d: %v", g.served, err)
	}
	g.served++
	g.took = append(g.took, time.Since(began))
}

// flood is the abusers.
type flood struct {
	t               *testing.T
	ctx             context.Context
	addr            string
	good            *goodClient
	end             context.CancelFunc
	all             sync.WaitGroup
	heap            float64
	served, refused atomic.Int64
}

func newFlood(t *testing.T, ctx context.Context, good *goodClient) *flood {
	u, err := url.Parse(good.relayer)
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{t: t, addr: u.Host, good: good}
	f.ctx, f.end = context.WithCancel(ctx)
	t.Cleanup(f.close)
	return f
}

func (f *flood) close() { f.end(); f.all.Wait() }

// slowKinds are what a slow connection begins with. A byte every now and then follows
// where something is begun.
func slowKinds() map[string]string {
	return map[string]string{
		"says nothing":         "",
		"half a preface":       "PR",
		"preface and no more":  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"header by bytes":      "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"announces a body":     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 19000000\r\n\r\n" + strings.Repeat("x", 16<<10),
		"announces chunks":     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n" + strings.Repeat("x", 16<<10),
		"WebSocket and silent": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	}
}

// open holds so many connections of each kind, and opens them again when the relayer
// closes them.
func (f *flood) open(each int) {
	for kind, begin := range slowKinds() {
		trickle := strings.HasPrefix(kind, "header") || strings.HasPrefix(kind, "announces")
		for range each {
			f.all.Go(func() {
				for f.ctx.Err() == nil {
					f.hold(begin, trickle)
				}
			})
		}
	}
}

func (f *flood) hold(begin string, trickle bool) {
	conn, err := net.DialTimeout("tcp", f.addr, 30*time.Second)
	if err != nil {
		return
	}
	stop := context.AfterFunc(f.ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	if _, err := io.WriteString(conn, begin); err != nil {
		return
	}
	if trickle {
		f.all.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
			}
		})
	}
	_, _ = io.Copy(io.Discard, conn) // until either side has enough of it
}

// send sends junk as fast as it is answered, and returns whether all is sent.
func (f *flood) send(requests, conns int) (done func() bool) {
	junk := f.junk()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns}}
	var next atomic.Int64
	var sending sync.WaitGroup
	for range conns {
		sending.Go(func() {
			for f.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= requests {
					return
				}
				f.post(client, junk[i%len(junk)](i))
			}
		})
	}
	ended := make(chan struct{})
	f.all.Go(func() { sending.Wait(); client.CloseIdleConnections(); close(ended) })
	return func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
}

// junk are requests that nobody pays for, each in its own way; i makes them differ.
func (f *flood) junk() []func(i int) []byte {
	valid := f.good.request(nil)
	var forged servicetypes.RelayRequest
	if err := forged.Unmarshal(valid); err != nil {
		f.t.Fatal(err)
	}
	return []func(i int) []byte{
		func(i int) []byte { return fmt.Appendf(nil, "\xff\xfe junk %d", i) },
		func(i int) []byte { return valid[:i%len(valid)] },
		func(int) []byte { return nil },
		func(i int) []byte { // a session, an application and a supplier that exist
			other := forged
			other.Payload = fmt.Appendf(nil, "%d", i)
			body, _ := other.Marshal()
			return body
		},
	}
}

func (f *flood) post(client *http.Client, body []byte) {
	req, err := http.NewRequestWithContext(f.ctx, http.MethodPost, "http://"+f.addr, strings.NewReader(string(body)))
	if err != nil {
		return
	}
	req.Header.Set("Rpc-Type", fmt.Sprint(int(sharedtypes.RPCType_JSON_RPC)))
	res, err := client.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	var answer servicetypes.RelayResponse
	switch {
	case err != nil:
	case answer.Unmarshal(raw) == nil && answer.RelayMinerError != nil:
		f.refused.Add(1)
	default:
		f.served.Add(1)
	}
}
