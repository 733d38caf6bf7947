package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/raftminer/raftminer/e2e/relayload"
)

// Sizes of answers, in bytes, and how many relays fewer a turn has for them.
const (
	usualAnswer  = 300
	maxAnswer    = 512_000
	warmUpRelays = 500
	openSeconds  = 4
	mebi         = 1 << 20
)

var sizes = []struct{ bytes, fewer int }{{10_240, 3}, {maxAnswer, 20}}

// spent is what a contestant used over its turns.
type spent struct {
	relays    int
	cpu, took time.Duration
	p50, p99  float64 // milliseconds, of the best turn: neighbours on the machine only add
}

func (s *spent) cpuPerRelay() float64 { return float64(s.cpu.Microseconds()) / float64(s.relays) }

func measure(ctx context.Context, o options) (_ *report, err error) {
	for _, path := range []*string{&o.binary, &o.stock} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
	}
	program, args, _ := strings.Cut(o.ours, " ")
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	o.ours = strings.TrimSpace(program + " " + args)
	net, err := startNetwork(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, net.close()) }()
	source, err := relayload.NewSource(net.Devnet, service)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, source: source, ours: net.ours, stock: net.stock}
	return b.run(ctx)
}

type bench struct {
	options
	source      *relayload.Source
	ours, stock *contestant
}

func (b *bench) run(ctx context.Context) (*report, error) {
	for _, c := range []*contestant{b.ours, b.stock} {
		if err := b.turn(ctx, c, warmUpRelays, usualAnswer, &spent{}); err != nil {
			return nil, err
		}
	}
	ours, stock, err := b.compare(ctx, usualAnswer, b.relays)
	if err != nil {
		return nil, err
	}
	r := &report{
		CPU: ours.cpuPerRelay(), StockCPU: stock.cpuPerRelay(),
		WallRPS: float64(ours.relays) / ours.took.Seconds(), StockWallRPS: float64(stock.relays) / stock.took.Seconds(),
	}
	r.RelaysPerS, r.StockRelaysPerS, r.Ratio = 1e6/r.CPU, 1e6/r.StockCPU, r.StockCPU/r.CPU
	if err := b.writeProfile(ctx); err != nil {
		return nil, err
	}
	if err := b.equalLoad(ctx, r); err != nil {
		return nil, err
	}
	if err := b.overhead(ctx, r); err != nil {
		return nil, err
	}
	for _, size := range sizes {
		ours, stock, err := b.compare(ctx, size.bytes, b.relays/size.fewer)
		if err != nil {
			return nil, err
		}
		r.Sizes = append(r.Sizes, row{
			Bytes: size.bytes, CPU: ours.cpuPerRelay(), StockCPU: stock.cpuPerRelay(), Ratio: stock.cpuPerRelay() / ours.cpuPerRelay(),
		})
	}
	return r, nil
}

// compare gives both their turns, one after the other.
func (b *bench) compare(ctx context.Context, bytes, relays int) (ours, stock *spent, err error) {
	ours, stock = &spent{}, &spent{}
	for range b.rounds {
		if err := b.turn(ctx, b.ours, relays, bytes, ours); err != nil {
			return nil, nil, err
		}
		if err := b.turn(ctx, b.stock, relays/3, bytes, stock); err != nil {
			return nil, nil, err
		}
	}
	say("%d bytes: %.1f us, stock %.1f us of processor time per relay", bytes, ours.cpuPerRelay(), stock.cpuPerRelay())
	return ours, stock, nil
}

// turn lets a contestant serve as fast as it can.
func (b *bench) turn(ctx context.Context, c *contestant, relays, bytes int, s *spent) error {
	requests, _, err := b.source.Sign(ctx, relays, "/"+strconv.Itoa(bytes))
	if err != nil {
		return err
	}
	return s.add(c, func() (relayload.Result, error) { return relayload.Closed(ctx, c.client, requests) })
}

// equalLoad sends both the same relays per second, at the same moments.
func (b *bench) equalLoad(ctx context.Context, r *report) error {
	r.LoadRPS = b.load * min(r.StockWallRPS, r.WallRPS)
	var ours, stock spent
	for round := range b.rounds {
		for c, s := range map[*contestant]*spent{b.ours: &ours, b.stock: &stock} {
			requests, _, err := b.source.Sign(ctx, int(r.LoadRPS*openSeconds), "/"+strconv.Itoa(usualAnswer))
			if err != nil {
				return err
			}
			err = s.add(c, func() (relayload.Result, error) {
				return relayload.Open(ctx, c.client, requests, r.LoadRPS, uint64(round))
			})
			if err != nil {
				return err
			}
		}
	}
	r.P50, r.P99 = ours.p50, ours.p99
	r.StockP50, r.StockP99 = stock.p50, stock.p99
	r.P99Ratio = r.StockP99 / r.P99
	rss, err := relayload.RSS(b.ours.pid)
	r.RSS = float64(rss) / mebi
	return err
}

// add runs a load and notes what c used for it.
func (s *spent) add(c *contestant, load func() (relayload.Result, error)) error {
	before, err := relayload.CPU(c.pid)
	if err != nil {
		return err
	}
	result, err := load()
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	after, err := relayload.CPU(c.pid)
	if err != nil {
		return err
	}
	s.relays += result.Relays
	s.cpu += after - before
	s.took += result.Took
	s.p50 = best(s.p50, milliseconds(relayload.Quantile(result.Latencies, 0.5)))
	s.p99 = best(s.p99, milliseconds(relayload.Quantile(result.Latencies, 0.99)))
	return nil
}

// best is the lower of two latencies, 0 being none yet.
func best(a, b float64) float64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
