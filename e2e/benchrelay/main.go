package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options are how a run is done.
type options struct {
	binary, ours, stock string
	profile             string
	core, conns         int
	rounds, relays      int
	load                float64
	realtime            bool
}

// report is the JSON object; the names are a contract of `make bench-relay`.
type report struct {
	RelaysPerS      float64 `json:"relays_per_s_core"`
	StockRelaysPerS float64 `json:"stock_relays_per_s_core"`
	Ratio           float64 `json:"ratio"`
	CPU             float64 `json:"cpu_us_per_relay"`
	StockCPU        float64 `json:"stock_cpu_us_per_relay"`
	P50             float64 `json:"p50_ms"`
	P99             float64 `json:"p99_ms"`
	StockP50        float64 `json:"stock_p50_ms"`
	StockP99        float64 `json:"stock_p99_ms"`
	P99Ratio        float64 `json:"p99_ratio"`
	LoadRPS         float64 `json:"equal_load_relays_per_s"`
	OverheadP50     float64 `json:"overhead_p50_ms"`
	OverheadP99     float64 `json:"overhead_p99_ms"`
	RSS             float64 `json:"rss_mib"`
	WallRPS         float64 `json:"wall_relays_per_s"`
	StockWallRPS    float64 `json:"stock_wall_relays_per_s"`
	Sizes           []row   `json:"by_response_bytes"`
}

// row compares processor time for one size of answers.
type row struct {
	Bytes    int     `json:"bytes"`
	CPU      float64 `json:"cpu_us_per_relay"`
	StockCPU float64 `json:"stock_cpu_us_per_relay"`
	Ratio    float64 `json:"ratio"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if args := os.Args[1:]; len(args) > 0 && (args[0] == roleClient || args[0] == roleBackend) {
		fail(runChild(ctx, args))
		return
	}
	var o options
	flag.StringVar(&o.binary, "raftminer", "bin/raftminer", "raftminer binary, for the miner")
	flag.StringVar(&o.ours, "ours", "bin/raftminer", "relayer to measure, with arguments before \"relayer\"")
	flag.StringVar(&o.stock, "stock", "bin/stock", "stock relayer")
	flag.StringVar(&o.profile, "profile", "", "file for a CPU profile of our relayer, which has to serve profiles")
	flag.IntVar(&o.core, "core", 1, "core of the relayers")
	flag.IntVar(&o.conns, "connections", 64, "connections of the client")
	flag.IntVar(&o.rounds, "rounds", 3, "turns of each relayer")
	flag.IntVar(&o.relays, "relays", 3000, "relays of our turn; stock has a third")
	flag.Float64Var(&o.load, "load", 0.6, "equal load, as a part of what stock can carry")
	flag.BoolVar(&o.realtime, "realtime", false, "real-time priority (root) for relayers, clients, backend and Redis, on a machine with busy neighbours")
	flag.Parse()
	result, err := measure(ctx, o)
	fail(err)
	fail(json.NewEncoder(os.Stdout).Encode(result))
}

// fail ends the program if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchrelay:", err)
		os.Exit(1)
	}
}
