package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// options are the sizes of a run.
type options struct {
	sessions, leaves, relays, baseline, partitions int
	rtt                                            time.Duration
	profile                                        string
	aof                                            bool
}

// report is the JSON object; the names are a contract of `make bench-ingest`.
type report struct {
	AOF                    bool               `json:"aof"`
	Sessions               int                `json:"sessions"`
	LeavesPerSession       int                `json:"leaves_per_session"`
	RelayBytes             int                `json:"relay_bytes"`
	RelaysPerS             float64            `json:"relays_per_s"`
	CPUPerRelay            float64            `json:"cpu_us_per_relay"`
	MinerCPUPerRelay       float64            `json:"miner_cpu_us_per_relay"`
	RedisCPUPerRelay       float64            `json:"redis_cpu_us_per_relay"`
	RoundTripsPerRelay     float64            `json:"round_trips_per_relay"`
	RedisBytesPerRelay     float64            `json:"redis_bytes_per_relay"`
	PublishPerS            float64            `json:"publish_relays_per_s"`
	RedisBytesBySize       map[string]float64 `json:"redis_bytes_per_relay_by_leaves"`
	TakeoverP50Ms          float64            `json:"takeover_first_flush_p50_ms"`
	TakeoverMaxMs          float64            `json:"takeover_first_flush_max_ms"`
	TakeoverNodesRead      int64              `json:"takeover_nodes_read_max"`
	TakeoverNodesStored    int64              `json:"takeover_nodes_stored"`
	MinerHeapBytesPerRelay float64            `json:"miner_heap_bytes_per_relay"`
	ProxiedRelaysPerS      float64            `json:"proxied_relays_per_s"` // through the proxy that delays, without delay
	RTTMs                  float64            `json:"rtt_ms"`
	RTTRelaysPerS          float64            `json:"rtt1ms_relays_per_s"`
	BaselineRTTRelaysPerS  float64            `json:"baseline_rtt1ms_relays_per_s"`
	Ratio                  float64            `json:"ratio"`
	NodeKeysLeft           int                `json:"node_keys_left_after_settlement"`
}

func main() {
	var o options
	flag.IntVar(&o.sessions, "sessions", 100, "live sessions")
	flag.IntVar(&o.leaves, "leaves", 10_000, "relays in each tree before measuring")
	flag.IntVar(&o.relays, "relays", 100_000, "relays of the measured backlog")
	flag.IntVar(&o.baseline, "baseline", 3_000, "relays of the batch-1 baseline")
	flag.IntVar(&o.partitions, "partitions", 16, "partitions")
	flag.DurationVar(&o.rtt, "rtt", time.Millisecond, "injected round trip")
	flag.BoolVar(&o.aof, "aof", true, "let Redis keep an append-only file, synced every second")
	flag.StringVar(&o.profile, "cpuprofile", "", "file for a CPU profile of the measured backlog")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "benchingest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	server, err := startServer(ctx, o.aof)
	if err != nil {
		return err
	}
	defer server.stop()
	b, err := newBench(server, o)
	if err != nil {
		return err
	}
	defer b.close()
	for _, step := range []func(context.Context) error{b.preload, b.takeover, b.throughput, b.memory, b.distant, b.baseline, b.settle, b.sizes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.report.Ratio = b.report.RTTRelaysPerS / b.report.BaselineRTTRelaysPerS
	return json.NewEncoder(os.Stdout).Encode(b.report)
}
