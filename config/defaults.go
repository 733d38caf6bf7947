package config

import "time"

// Default is the configuration before a file is read.
func Default() Config {
	return Config{
		Chain:   Chain{Grace: 2 * time.Minute},
		Redis:   Redis{ReplicaWait: 100 * time.Millisecond, Namespace: Namespace{BasePrefix: "rm"}},
		Keys:    Keys{Keyring: Keyring{AppName: "pocket"}, HotReload: true},
		Cluster: Cluster{Partitions: 16},
		Miner: Miner{
			Raft: Raft{
				Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond,
				Lease: 250 * time.Millisecond, Commit: 20 * time.Millisecond,
			},
			Ingest:     Ingest{FlushInterval: time.Second, FlushRelays: 4096},
			KeepBlocks: 100,
		},
		Relayer: Relayer{
			Spool:      Spool{MaxBytes: 64 << 20},
			Drain:      Drain{Grace: 5 * time.Second, Timeout: 15 * time.Second},
			RelayMeter: RelayMeter{RedisGrace: 30 * time.Second, MaxLease: 1024},
			Limits:     Limits{MaxConcurrent: 20_000, MaxMemory: 1 << 30, MaxConnections: 20_000, MaxWebSockets: 10_000, ReadTimeout: 30 * time.Second},
			Simulation: Simulation{Window: 30 * time.Second, MaxConcurrent: 32},
		},
		Tx:      Tx{GasPrice: "0.001upokt", MaxGasPrice: "0.01upokt", GasAdjustment: 1.5, GasLimit: 20_000_000, SkipUnprofitable: true},
		Metrics: Metrics{Enabled: true, Addr: "127.0.0.1:9090"},
		Logging: Logging{Level: "info"},
	}
}

// setDefaults is a service before its entry is read. A gateway gives up after
// 10 s, so a backend gets a little less.
func (s *Service) setDefaults() {
	s.Timeout = 9 * time.Second
	s.MaxRequestBody = 20e6
	s.MaxResponseBody = 100e6
}
