package soak

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/relayload"
)

// Options are how a relayer is soaked.
type Options struct {
	Service  string
	Relayer  string // its name in the devnet
	Relays   int
	Between  int // relays from one sample to the next, in one session
	Distinct int // requests among those; signing costs the client more than serving costs the relayer
	Conns    int
	Progress io.Writer
}

// Report is what a relayer did.
type Report struct {
	Relays      int      `json:"relays"`
	Sessions    int      `json:"sessions"`
	TookS       float64  `json:"took_s"`
	RelaysPerS  float64  `json:"relays_per_s"`
	CPUPerRelay float64  `json:"cpu_us_per_relay"`
	Samples     []Sample `json:"-"`
}

// Run sends relays through keep-alive connections and takes a sample after each
// batch. Any relay that is not served ends it.
func Run(ctx context.Context, net *devnet.Devnet, o Options) (Report, error) {
	pid, addr, err := find(net, o.Relayer)
	if err != nil {
		return Report{}, err
	}
	source, err := relayload.NewSource(net, o.Service)
	if err != nil {
		return Report{}, err
	}
	target := relayload.NewTarget(addr, o.Conns)
	before, err := relayload.CPU(pid)
	if err != nil {
		return Report{}, err
	}
	var r Report
	var took time.Duration
	ends := make(map[int64]bool)
	for r.Relays < o.Relays {
		requests, end, err := source.Sign(ctx, o.Distinct, "/")
		if err != nil {
			return r, err
		}
		ends[end] = true
		result, err := relayload.Closed(ctx, target, repeat(requests, min(o.Between, o.Relays-r.Relays)))
		if err != nil {
			return r, fmt.Errorf("after %d relays: %w", r.Relays, err)
		}
		r.Relays += result.Relays
		took += result.Took
		sample, err := look(ctx, net, o.Relayer, pid)
		if err != nil {
			return r, err
		}
		sample.Relays = r.Relays
		r.Samples = append(r.Samples, sample)
		fmt.Fprintf(o.Progress, "%d relays: %.1f MiB, %d goroutines, %.0f relays/s\n",
			r.Relays, float64(sample.RSS)/mebi, sample.Goroutines, float64(result.Relays)/result.Took.Seconds())
	}
	after, err := relayload.CPU(pid)
	r.Sessions, r.TookS, r.RelaysPerS = len(ends), took.Seconds(), float64(r.Relays)/took.Seconds()
	r.CPUPerRelay = float64((after - before).Microseconds()) / float64(r.Relays)
	return r, err
}

func find(net *devnet.Devnet, name string) (pid int, addr string, err error) {
	for _, r := range net.Manifest().Relayers {
		if r.Name == name {
			return r.PID, strings.TrimPrefix(r.URLs["jsonrpc"], "http://"), nil
		}
	}
	return 0, "", fmt.Errorf("the devnet has no %s", name)
}

// repeat makes n requests of fewer. A relayer serves, signs and publishes each
// again; only the miner sees that they are the same leaf.
func repeat(requests []relayload.Request, n int) []relayload.Request {
	out := make([]relayload.Request, n)
	for i := range out {
		out[i] = requests[i%len(requests)]
	}
	return out
}

// Looks, a moment apart, of which the lowest number of goroutines counts: what
// the last relays needed may still be ending.
const (
	looks     = 4
	lookAgain = 50 * time.Millisecond
)

// look takes a sample of a relayer that has nothing to do.
func look(ctx context.Context, net *devnet.Devnet, name string, pid int) (Sample, error) {
	rss, err := relayload.RSS(pid)
	if err != nil {
		return Sample{}, err
	}
	lowest := math.MaxInt
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for range looks {
		n, err := net.Metric(ctx, name, "go_goroutines")
		if err != nil {
			return Sample{}, err
		}
		lowest = min(lowest, int(n))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Sample{}, ctx.Err()
		}
	}
	return Sample{RSS: rss, Goroutines: lowest}, nil
}
