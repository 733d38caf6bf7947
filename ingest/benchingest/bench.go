package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/ingest"
)

type bench struct {
	server    *server
	proxy     *distance
	opts      options
	keys      ingest.Keys
	publisher *ingest.Publisher
	sessions  []*session
	metrics   *ingest.Metrics
	report    report
	bySize    map[string]float64 // bytes of Redis a relay, by the leaves of its tree

	near, far *redis.Client // the miner's ways to Redis
	traffic   traffic       // of the miner
	epoch     int
	nonce     uint64
	stored    uint64 // relays in stored trees when all is consumed
	owner     *ingest.Owner
	stopOwner func()
}

func newBench(s *server, o options) (*bench, error) {
	proxy, err := newDistance(s.addr)
	if err != nil {
		return nil, err
	}
	b := &bench{bySize: make(map[string]float64), proxy: proxy, server: s, opts: o, keys: ingest.NewKeys("bench", "chain", "cluster", o.partitions), metrics: ingest.NewMetrics(prometheus.NewRegistry())}
	b.publisher = ingest.NewPublisher(s.rdb, b.keys, prometheus.NewRegistry(), zap.NewNop())
	b.near, b.far = b.client(s.addr), b.client(proxy.listener.Addr().String())
	for n := range o.sessions {
		session, err := newSession(n)
		if err != nil {
			return nil, err
		}
		b.sessions = append(b.sessions, session)
	}
	b.report.AOF = o.aof
	b.report.Sessions, b.report.LeavesPerSession, b.report.RelayBytes = o.sessions, o.leaves, len(b.sessions[0].template)
	return b, nil
}

func (b *bench) client(addr string) *redis.Client {
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	rdb.AddHook(&b.traffic)
	return rdb
}

func (b *bench) close() {
	_ = b.publisher.Close()
	_ = b.near.Close()
	_ = b.far.Close()
}

// own starts the next epoch's owner.
func (b *bench) own(ctx context.Context, rdb *redis.Client, flushRelays int) error {
	if b.stopOwner != nil {
		b.stopOwner()
	}
	b.epoch++
	owner, err := ingest.Acquire(ctx, rdb, b.keys, fmt.Sprintf("000001.%012d", b.epoch), "bench", ingest.Options{
		FlushInterval: time.Second, FlushRelays: flushRelays, Metrics: b.metrics, Log: zap.NewNop(),
	})
	if err != nil {
		return err
	}
	b.resume(ctx, owner)
	return nil
}

// consumed waits until every published relay is in a stored tree.
func (b *bench) consumed() {
	for b.count() < b.stored {
		time.Sleep(5 * time.Millisecond)
	}
}

func (b *bench) count() (n uint64) {
	for _, h := range b.owner.Heads() {
		n += h.Count
	}
	return n
}

// backlog publishes n relays while no owner runs, then consumes them.
func (b *bench) backlog(ctx context.Context, n int, consume func() error) (took time.Duration, err error) {
	b.stopOwner()
	b.stopOwner = nil
	start := time.Now()
	if err := b.publish(ctx, n); err != nil {
		return 0, err
	}
	b.report.PublishPerS = max(b.report.PublishPerS, float64(n)/time.Since(start).Seconds())
	b.stored += uint64(n)
	start = time.Now()
	if err := consume(); err != nil {
		return 0, err
	}
	b.consumed()
	return time.Since(start), nil
}

func (b *bench) preload(ctx context.Context) error {
	if err := b.own(ctx, b.near, 4096); err != nil {
		return err
	}
	total := b.opts.sessions * b.opts.leaves
	start := time.Now()
	for done := 0; done < total; {
		n := min(100_000, total-done)
		if err := b.publish(ctx, n); err != nil {
			return err
		}
		done += n
		b.stored += uint64(n)
		b.consumed()
		if err := b.owner.Trim(ctx, b.owner.Mark()); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "grown to %d of %d relays\n", done, total)
	}
	fmt.Fprintf(os.Stderr, "published and consumed side by side: %.0f relays/s\n", float64(total)/time.Since(start).Seconds())
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.report.MinerHeapBytesPerRelay = float64(m.HeapAlloc) / float64(total)
	return nil
}

func cpuSelf() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// throughput consumes a backlog with an owner whose trees are warm.
func (b *bench) throughput(ctx context.Context) error {
	if _, err := b.backlog(ctx, b.opts.relays, func() error { return b.own(ctx, b.near, 4096) }); err != nil {
		return err
	}
	start := time.Now()
	if err := b.publish(ctx, b.opts.relays); err != nil {
		return err
	}
	b.stored += uint64(b.opts.relays)
	b.consumed()
	fmt.Fprintf(os.Stderr, "side by side: %.0f relays/s\n", float64(b.opts.relays)/time.Since(start).Seconds())
	owner := b.owner
	var goCPU, redisCPU float64
	var trips int64
	took, err := b.backlog(ctx, b.opts.relays, func() error {
		if err := b.profile(); err != nil {
			return err
		}
		goCPU, redisCPU, trips = cpuSelf(), b.server.cpu(ctx), b.traffic.trips.Load()
		b.resume(ctx, owner)
		return nil
	})
	if err != nil {
		return err
	}
	pprof.StopCPUProfile()
	n := float64(b.opts.relays)
	b.report.RelaysPerS = n / took.Seconds()
	b.report.MinerCPUPerRelay = (cpuSelf() - goCPU) / n * 1e6
	b.report.RedisCPUPerRelay = (b.server.cpu(ctx) - redisCPU) / n * 1e6
	b.report.CPUPerRelay = b.report.MinerCPUPerRelay + b.report.RedisCPUPerRelay
	b.report.RoundTripsPerRelay = float64(b.traffic.trips.Load()-trips) / n
	return nil
}

func (b *bench) profile() error {
	if b.opts.profile == "" {
		return nil
	}
	f, err := os.Create(b.opts.profile)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// resume runs an owner, also one that was stopped: nobody else took its epoch.
func (b *bench) resume(ctx context.Context, owner *ingest.Owner) {
	runCtx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); owner.Run(runCtx) }()
	b.owner, b.stopOwner = owner, func() { cancel(); <-ended }
}

// distantTurns is how often throughput is measured with and without the round trip:
// what else the machine does is to hit both.
const distantTurns = 2

// distant is throughput through the proxy, without and with the injected round
// trip: the proxy itself costs processor time.
func (b *bench) distant(ctx context.Context) error {
	if _, err := b.backlog(ctx, b.opts.relays, func() error { return b.own(ctx, b.far, 4096) }); err != nil {
		return err
	}
	var near, far time.Duration
	for turn := range 2 * distantTurns {
		rtt, took := time.Duration(0), &near
		if turn%2 == 1 {
			rtt, took = b.opts.rtt, &far
		}
		b.proxy.delay.Store(int64(rtt))
		owner := b.owner
		once, err := b.backlog(ctx, b.opts.relays, func() error { b.resume(ctx, owner); return nil })
		if err != nil {
			return err
		}
		*took += once
	}
	relays := float64(distantTurns * b.opts.relays)
	b.report.ProxiedRelaysPerS, b.report.RTTRelaysPerS = relays/near.Seconds(), relays/far.Seconds()
	return b.roundTrip(ctx)
}

// roundTrip measures what is injected, which stays from here on.
func (b *bench) roundTrip(ctx context.Context) error {
	b.proxy.delay.Store(int64(b.opts.rtt))
	start := time.Now()
	for range 100 {
		if err := b.far.Ping(ctx).Err(); err != nil {
			return err
		}
	}
	b.report.RTTMs = time.Since(start).Seconds() * 10
	return nil
}

// baseline flushes every relay by itself, at the same round trip.
func (b *bench) baseline(ctx context.Context) error {
	if _, err := b.backlog(ctx, b.opts.baseline, func() error { return b.own(ctx, b.far, 1) }); err != nil {
		return err
	}
	owner := b.owner
	took, err := b.backlog(ctx, b.opts.baseline, func() error { b.resume(ctx, owner); return nil })
	b.report.BaselineRTTRelaysPerS = float64(b.opts.baseline) / took.Seconds()
	return err
}
