package relayload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// ErrNotServed is a relay that was refused or answered wrongly.
var ErrNotServed = errors.New("relay not served")

// Result is what a load gave.
type Result struct {
	Relays    int
	Took      time.Duration
	Latencies []time.Duration // sorted
}

// Quantile is what a part q of sorted durations do not exceed.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Sender is a relayer under load: a Target, or one by way of a Client.
type Sender interface {
	Send(ctx context.Context, load Load) (Outcome, error)
}

// Load is relays to be sent once each.
type Load struct {
	Bodies [][]byte
	Due    []time.Duration // when, after the start; nil for when there is an answer to the one before
}

// Outcome is what they took, and some of the answers.
type Outcome struct {
	Result  Result
	Answers map[int][]byte // by index of the request
}

// Closed sends every request once, each connection the next when it has an
// answer. Any relay that is not served ends it.
func Closed(ctx context.Context, to Sender, requests []Request) (Result, error) {
	return run(ctx, to, requests, nil)
}

// Open sends every request once at random moments, rate per second on average,
// whether or not answers come. The moments are the same for equal seeds.
func Open(ctx context.Context, to Sender, requests []Request, rate float64, seed uint64) (Result, error) {
	random := rand.New(rand.NewPCG(seed, seed))
	due := make([]time.Duration, len(requests))
	var at float64
	for i := range due {
		at += random.ExpFloat64() / rate
		due[i] = time.Duration(at * float64(time.Second))
	}
	return run(ctx, to, requests, due)
}

func run(ctx context.Context, to Sender, requests []Request, due []time.Duration) (Result, error) {
	load := Load{Due: due}
	for _, r := range requests {
		load.Bodies = append(load.Bodies, r.Body)
	}
	outcome, err := to.Send(ctx, load)
	if err != nil {
		return Result{}, err
	}
	for i, answer := range outcome.Answers {
		if err := requests[i].Check(ctx, answer); err != nil {
			return Result{}, fmt.Errorf("%w: %w", ErrNotServed, err)
		}
	}
	slices.Sort(outcome.Result.Latencies)
	return outcome.Result, nil
}
