package config

import "time"

// Role is the program that a file is read for. One file may serve both.
type Role string

// The roles. RoleAny checks only what is there.
const (
	RoleAny     Role = ""
	RoleRelayer Role = "relayer"
	RoleMiner   Role = "miner"
)

// Config is the whole file.
type Config struct {
	Chain    Chain              `yaml:"chain"`
	Redis    Redis              `yaml:"redis"`
	Keys     Keys               `yaml:"keys"`
	Cluster  Cluster            `yaml:"cluster"`
	Miner    Miner              `yaml:"miner"`
	Relayer  Relayer            `yaml:"relayer"`
	Services map[string]Service `yaml:"services"`
	Tx       Tx                 `yaml:"tx"`
	Metrics  Metrics            `yaml:"metrics"`
	Logging  Logging            `yaml:"logging"`
}

// Chain names the network and the full nodes to ask, the preferred one first.
type Chain struct {
	ID    string `yaml:"id" doc:"chain id; checked against the nodes at start"`
	Nodes []Node `yaml:"nodes" doc:"full nodes; a call goes to the next one when one cannot be reached"`
}

// Node is one full node. The scheme decides on TLS.
type Node struct {
	RPC  string `yaml:"rpc" doc:"CometBFT RPC URL, http or https"`
	GRPC string `yaml:"grpc" doc:"cosmos gRPC URL, http or https"`
}

// Redis is the store of streams and trees.
type Redis struct {
	URL       Secret    `yaml:"url" doc:"redis:// or rediss:// URL; ${VAR} is read from the environment"`
	Namespace Namespace `yaml:"namespace"`
}

// Namespace prefixes every key; chain id and cluster id are added to it.
type Namespace struct {
	BasePrefix string `yaml:"base_prefix" doc:"first part of every Redis key"`
}

// Keys says where supplier operator keys are.
type Keys struct {
	File string `yaml:"keys_file" doc:"file with keys: [\"<64 hex>\", ...]; relative to this file"`
}

// Cluster identifies the miners and their data.
type Cluster struct {
	ID         string `yaml:"id" doc:"cluster id, equal on every relayer and miner"`
	Partitions int    `yaml:"partitions" doc:"ingest partitions; fixed when the cluster is bootstrapped"`
}

// Miner is a member of the raft group.
type Miner struct {
	NodeID  string `yaml:"node_id" doc:"stable id of this member"`
	DataDir string `yaml:"data_dir" doc:"raft log, snapshots and the admin socket; relative to this file"`
	Raft    Raft   `yaml:"raft"`
	Ingest  Ingest `yaml:"ingest"`
}

// Raft is the group's membership and timing.
type Raft struct {
	Bind            string        `yaml:"bind" doc:"host:port to listen on"`
	Advertise       string        `yaml:"advertise" doc:"host:port that peers dial; default bind"`
	BootstrapExpect int           `yaml:"bootstrap_expect" doc:"size of the first membership; 0 waits to be added"`
	Peers           []Peer        `yaml:"peers" doc:"the first membership, written once when no state exists"`
	Heartbeat       time.Duration `yaml:"heartbeat_timeout" doc:"a follower that hears nothing for so long stands for election"`
	Election        time.Duration `yaml:"election_timeout" doc:"a candidate that wins nothing for so long tries again"`
	Lease           time.Duration `yaml:"leader_lease_timeout" doc:"a leader without a quorum for so long steps down"`
	Commit          time.Duration `yaml:"commit_timeout" doc:"longest idle time before followers learn the commit index"`
}

// Peer is one first member.
type Peer struct {
	ID   string `yaml:"id" doc:"node id"`
	Addr string `yaml:"addr" doc:"host:port, as the peer advertises it"`
}

// Ingest is the flush cadence: a cost knob, not a durability one.
type Ingest struct {
	FlushInterval time.Duration `yaml:"flush_interval" doc:"longest time between flushes of a partition"`
	FlushRelays   int           `yaml:"flush_relays" doc:"a partition with so many unflushed relays is flushed at once"`
}

// Relayer is the relay server.
type Relayer struct {
	ListenAddr string `yaml:"listen_addr" doc:"host:port for relays"`
}

// Service is one on-chain service and its backends by RPC type.
type Service struct {
	DefaultBackend       string             `yaml:"default_backend" doc:"RPC type of requests without an Rpc-Type header"`
	Timeout              time.Duration      `yaml:"timeout" doc:"from a request's arrival to the backend's last byte"`
	MaxRequestBody       Bytes              `yaml:"max_request_body" doc:"largest serialized relay request"`
	MaxResponseBody      Bytes              `yaml:"max_response_body" doc:"largest backend body"`
	ForwardPocketHeaders bool               `yaml:"forward_pocket_headers" doc:"send Pocket-* headers to the backend"`
	Backends             map[string]Backend `yaml:"backends" doc:"by RPC type: jsonrpc, rest, cometbft"`
}

// Backend is one upstream.
type Backend struct {
	URL            string            `yaml:"url" doc:"scheme, host and base path"`
	Headers        map[string]string `yaml:"headers" doc:"set on every request"`
	Authentication Authentication    `yaml:"authentication"`
}

// Authentication is HTTP basic authentication.
type Authentication struct {
	Username string `yaml:"username" doc:"basic authentication user"`
	Password Secret `yaml:"password" doc:"basic authentication password; ${VAR} is read from the environment"`
}

// Tx are the terms of transactions.
type Tx struct {
	GasPrice      string  `yaml:"gas_price" doc:"uPOKT per unit of gas, for example 0.001upokt"`
	GasAdjustment float64 `yaml:"gas_adjustment" doc:"gas limit over simulated gas"`
	GasLimit      uint64  `yaml:"gas_limit" doc:"no transaction asks for more gas"`
}

// Metrics is the address for /metrics, /livez and /readyz.
type Metrics struct {
	Enabled bool   `yaml:"enabled" doc:"serve metrics and health"`
	Addr    string `yaml:"addr" doc:"host:port"`
}

// Logging goes to standard error.
type Logging struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"json or console; default json, console on a terminal"`
}

// Default is the configuration before a file is read.
func Default() Config {
	return Config{
		Redis:   Redis{Namespace: Namespace{BasePrefix: "rm"}},
		Cluster: Cluster{Partitions: 16},
		Miner: Miner{
			Raft: Raft{
				Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond,
				Lease: 250 * time.Millisecond, Commit: 20 * time.Millisecond,
			},
			Ingest: Ingest{FlushInterval: time.Second, FlushRelays: 4096},
		},
		Tx:      Tx{GasPrice: "0.001upokt", GasAdjustment: 1.5, GasLimit: 20_000_000},
		Metrics: Metrics{Enabled: true, Addr: "127.0.0.1:9090"},
		Logging: Logging{Level: "info"},
	}
}

// Defaults of a service, where its entry says nothing.
const (
	DefaultTimeout         = 9 * time.Second
	DefaultMaxRequestBody  = Bytes(20_000_000)
	DefaultMaxResponseBody = Bytes(100_000_000)
)
