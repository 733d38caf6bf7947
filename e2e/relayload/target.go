package relayload

import (
	"context"
	"fmt"
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

// Send implements Sender. Any relay that is not served ends it.
func (t *Target) Send(ctx context.Context, load Load) (Outcome, error) {
	s := &sending{
		Load: load, target: t, start: time.Now(), latencies: make([]time.Duration, len(load.Bodies)),
		answers: make(map[int][]byte),
	}
	group, ctx := errgroup.WithContext(ctx)
	for range t.conns {
		group.Go(func() error { return s.connection(ctx) })
	}
	if err := group.Wait(); err != nil {
		return Outcome{}, err
	}
	return Outcome{
		Result:  Result{Relays: len(load.Bodies), Took: time.Since(s.start), Latencies: s.latencies},
		Answers: s.answers,
	}, nil
}

// sending is a load on its way. Each index is one connection's.
type sending struct {
	Load
	target    *Target
	start     time.Time
	next      atomic.Int64
	latencies []time.Duration

	mu      sync.Mutex
	answers map[int][]byte
}

// connection sends one relay after the other.
func (s *sending) connection(ctx context.Context) error {
	for ctx.Err() == nil {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.Bodies) {
			return nil
		}
		from := s.due(i)
		answer, err := s.target.post(s.Bodies[i], i%checkEvery == 0)
		if err != nil {
			return err
		}
		s.latencies[i] = time.Since(from)
		if answer != nil {
			s.mu.Lock()
			s.answers[i] = answer
			s.mu.Unlock()
		}
	}
	return ctx.Err()
}

// due waits until relay i is due and returns the moment that its latency counts
// from. A relay that had to wait for a connection counts from when it was due; that
// this process woke up late for it is not the relayer's doing.
func (s *sending) due(i int) time.Time {
	now := time.Now()
	if s.Due == nil {
		return now
	}
	at := s.start.Add(s.Due[i])
	if at.Before(now) {
		return at
	}
	time.Sleep(at.Sub(now))
	return time.Now()
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
