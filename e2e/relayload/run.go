package relayload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	answerTimeout = 10 * time.Second
	checkEvery    = 64 // of the answers, signature and all
	// refusalField is relay_miner_error of RelayResponse.
	refusalField = 3
)

// ErrNotServed is a relay that was refused or answered wrongly.
var ErrNotServed = errors.New("relay not served")

// Result is what a load gave.
type Result struct {
	Relays    int
	Took      time.Duration
	Latencies []time.Duration // sorted; of Open, from when a relay was due
	Replies   []time.Duration // sorted; from when it was sent: without what the client lacks in punctuality
}

// Quantile is what a part q of sorted durations do not exceed.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Target is a relayer under load from a number of connections.
type Target struct {
	client *fasthttp.HostClient
	conns  int
}

// NewTarget makes a target of host:port.
func NewTarget(addr string, conns int) *Target {
	return &Target{conns: conns, client: &fasthttp.HostClient{
		Addr: addr, MaxConns: conns, NoDefaultUserAgentHeader: true, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
	}}
}

// Closed sends every request once, each connection the next when it has an
// answer. Any relay that is not served ends it.
func (t *Target) Closed(ctx context.Context, requests []Request) (Result, error) {
	return t.run(ctx, requests, nil)
}

// Open sends every request once at random moments, rate per second on average,
// whether or not answers come. The moments are the same for equal seeds.
func (t *Target) Open(ctx context.Context, requests []Request, rate float64, seed uint64) (Result, error) {
	random := rand.New(rand.NewPCG(seed, seed))
	due := make([]time.Duration, len(requests))
	var at float64
	for i := range due {
		at += random.ExpFloat64() / rate
		due[i] = time.Duration(at * float64(time.Second))
	}
	return t.run(ctx, requests, due)
}

func (t *Target) run(ctx context.Context, requests []Request, due []time.Duration) (Result, error) {
	var next atomic.Int64
	var mu sync.Mutex
	checks := make(map[int][]byte)
	all, replies := make([]time.Duration, len(requests)), make([]time.Duration, len(requests))
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range t.conns {
		group.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return nil
				}
				from := time.Now()
				sent := from
				if due != nil {
					from = start.Add(due[i])
					time.Sleep(time.Until(from))
					sent = time.Now()
				}
				answer, err := t.post(requests[i].Body, i%checkEvery == 0)
				if err != nil {
					return err
				}
				all[i], replies[i] = time.Since(from), time.Since(sent)
				if answer != nil {
					mu.Lock()
					checks[i] = answer
					mu.Unlock()
				}
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	result := Result{Relays: len(requests), Took: time.Since(start), Latencies: all, Replies: replies}
	slices.Sort(result.Latencies)
	slices.Sort(result.Replies)
	for i, answer := range checks {
		if err := requests[i].Check(context.WithoutCancel(ctx), answer); err != nil {
			return Result{}, fmt.Errorf("%w: %w", ErrNotServed, err)
		}
	}
	return result, nil
}

// post returns a copy of the answer, if asked to keep it.
func (t *Target) post(body []byte, keep bool) ([]byte, error) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.SetRequestURI("http://" + t.client.Addr + "/")
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetBodyRaw(body)
	if err := t.client.Do(req, res); err != nil {
		return nil, fmt.Errorf("post relay: %w", err)
	}
	answer := res.Body()
	if res.StatusCode() != fasthttp.StatusOK || !served(answer) {
		return nil, fmt.Errorf("%w: status %d, %.200q", ErrNotServed, res.StatusCode(), answer)
	}
	if keep {
		return slices.Clone(answer), nil
	}
	return nil, nil
}

// served looks for the field that refusals have, without decoding the answer.
func served(answer []byte) bool {
	for len(answer) > 0 {
		number, kind, n := protowire.ConsumeTag(answer)
		if n < 0 || number == refusalField {
			return false
		}
		m := protowire.ConsumeFieldValue(number, kind, answer[n:])
		if m < 0 {
			return false
		}
		answer = answer[n+m:]
	}
	return true
}
