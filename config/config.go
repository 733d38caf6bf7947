package config

import "time"

// The tags of the fields, from which decoding, checks and docs/config.md follow:
//
//	yaml      the key
//	doc       what it means, for docs/config.md
//	required  "yes": must be there when its section is in use
//	alias     the key's name in other relay miners' files; *_seconds takes a plain number
//	local     "yes": differs between nodes of one cluster, so Hash leaves it out

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
	Chain    Chain              `yaml:"chain" doc:"The network, and the full nodes to ask."`
	Redis    Redis              `yaml:"redis" doc:"The store of relay streams and session trees."`
	Keys     Keys               `yaml:"keys" doc:"Where the keys of supplier operators are: at least one source, several go together. Read again when they change and on SIGHUP; [keys.md](keys.md) tells what happens then."`
	Cluster  Cluster            `yaml:"cluster" doc:"What miners and relayers of one operator have in common."`
	Miner    Miner              `yaml:"miner" doc:"A member of the raft group; read by 'raftminer miner'."`
	Relayer  Relayer            `yaml:"relayer" doc:"The relay server; read by 'raftminer relayer'."`
	Services map[string]Service `yaml:"services" doc:"What the relayer serves, by the id of the on-chain service, and its backends by RPC type: jsonrpc, rest, cometbft, websocket or grpc."`
	Tx       Tx                 `yaml:"tx" doc:"The terms on which the miner sends claims and proofs."`
	Metrics  Metrics            `yaml:"metrics" doc:"/metrics for Prometheus, /livez and /readyz for whoever restarts and balances."`
	Logging  Logging            `yaml:"logging" doc:"Logs go to standard error."`
}

// Chain names the network and the full nodes to ask, the preferred one first.
type Chain struct {
	ID    string        `yaml:"id" required:"yes" doc:"chain id, part of every Redis key and of every signature"`
	Nodes []Node        `yaml:"nodes" required:"yes" local:"yes" doc:"full nodes; the first that follows the chain is asked, then the others"`
	Grace time.Duration `yaml:"grace" doc:"how long answers of the chain serve beyond their time while no full node answers; a relay served then may turn out unpaid"`
}

// Node is one full node. The scheme decides on TLS.
type Node struct {
	RPC  string `yaml:"rpc" required:"yes" doc:"CometBFT RPC URL, http or https"`
	GRPC string `yaml:"grpc" required:"yes" doc:"cosmos gRPC URL, http or https"`
	Use  string `yaml:"use" doc:"what the node is asked for: all, read or broadcast; default: all"`
}

// Namespace prefixes every key; chain id and cluster id are added to it.
type Namespace struct {
	BasePrefix string `yaml:"base_prefix" required:"yes" doc:"first part of every Redis key: letters, digits, dash, underscore"`
}

// Cluster identifies the miners and their data.
type Cluster struct {
	ID         string `yaml:"id" required:"yes" doc:"cluster id, equal on every relayer and miner"`
	Partitions int    `yaml:"partitions" doc:"ingest partitions, 1 to 1024; fixed when the cluster is bootstrapped"`
}

// Miner is a member of the raft group.
type Miner struct {
	NodeID  string `yaml:"node_id" required:"yes" local:"yes" doc:"stable id of this member, one of raft.peers"`
	DataDir string `yaml:"data_dir" required:"yes" local:"yes" doc:"raft log, snapshots and the admin socket; relative to this file"`
	Raft    Raft   `yaml:"raft"`
	Ingest  Ingest `yaml:"ingest"`

	KeepBlocks int `yaml:"keep_blocks" doc:"an ended session stays in the replicated state for so many blocks, at least 10; from then on it is in the ledger only"`
}

// Raft is the group's membership and timing.
type Raft struct {
	Bind            string        `yaml:"bind" required:"yes" local:"yes" doc:"host:port to listen on; without tls on loopback only"`
	Advertise       string        `yaml:"advertise" local:"yes" doc:"host:port that peers dial; default: bind"`
	BootstrapExpect int           `yaml:"bootstrap_expect" doc:"size of the first membership; 0 waits to be added"`
	TLS             TLS           `yaml:"tls"`
	Peers           []Peer        `yaml:"peers" doc:"the first membership, written once when no state exists"`
	Heartbeat       time.Duration `yaml:"heartbeat_timeout" doc:"a follower that hears nothing for so long stands for election; at least 150ms"`
	Election        time.Duration `yaml:"election_timeout" doc:"a candidate that wins nothing for so long tries again"`
	Lease           time.Duration `yaml:"leader_lease_timeout" doc:"a leader without a quorum for so long steps down; lease <= heartbeat <= election"`
	Commit          time.Duration `yaml:"commit_timeout" doc:"longest idle time until followers learn the commit index"`
}

// TLS names the PEM files that "raftctl certs" makes. All or none.
type TLS struct {
	CA   string `yaml:"ca" local:"yes" doc:"certificate of the cluster CA; relative to this file"`
	Cert string `yaml:"cert" local:"yes" doc:"certificate of this member; relative to this file"`
	Key  string `yaml:"key" local:"yes" doc:"private key of this member; relative to this file"`
}

// Enabled says that the raft transport uses TLS.
func (t TLS) Enabled() bool { return t != TLS{} }

// Peer is one first member.
type Peer struct {
	ID   string `yaml:"id" required:"yes" doc:"node id"`
	Addr string `yaml:"addr" required:"yes" doc:"host:port, as the peer advertises it"`
}

// Ingest is the flush cadence: a cost knob, not a durability one.
type Ingest struct {
	FlushInterval time.Duration `yaml:"flush_interval" doc:"longest time between flushes of a partition"`
	FlushRelays   int           `yaml:"flush_relays" doc:"a partition with so many unflushed relays is flushed at once"`
	Spread        bool          `yaml:"spread" doc:"every voter builds the trees of some partitions, not the leader of all; the same on all miners"`
}

// Relayer is the relay server.
type Relayer struct {
	ListenAddr string     `yaml:"listen_addr" required:"yes" local:"yes" doc:"host:port for relays over HTTP, WebSockets and gRPC; with tls not for gRPC"`
	TLS        ServerTLS  `yaml:"tls"`
	Listeners  []Listener `yaml:"listeners" local:"yes" doc:"further ports for relays"`
	Spool      Spool      `yaml:"spool"`
	Drain      Drain      `yaml:"drain"`
	RelayMeter RelayMeter `yaml:"relay_meter"`
	Limits     Limits     `yaml:"limits"`
	Simulation Simulation `yaml:"simulation"`
	CORS       CORS       `yaml:"cors"`
	Proxies    []string   `yaml:"trusted_proxies" doc:"addresses and networks of balancers, such as 10.0.0.0/8, whose PROXY headers say where a connection comes from; those of others are refused; default: none"`
}

// CORS is for pages that send relays from a browser.
type CORS struct {
	AllowedOrigins []string `yaml:"allowed_origins" doc:"origins whose pages may send relays and read the answers, such as https://app.example; '*' is any; default: none"`
}

// Simulation lets an operator try a live relayer without stake.
type Simulation struct {
	Enabled       bool                `yaml:"enabled" doc:"serve simulated relays of the identities below; they are neither charged nor mined"`
	Window        time.Duration       `yaml:"freshness_window" alias:"freshness_window_seconds" doc:"how far the time in a simulated session may be from the relayer's clock"`
	MaxConcurrent int                 `yaml:"max_concurrent" doc:"most simulated relays in flight"`
	Identities    []SimulatedIdentity `yaml:"identities" doc:"rings that may sign simulated relays"`
}

// SimulatedIdentity is a ring of public keys.
type SimulatedIdentity struct {
	KeyID    string   `yaml:"key_id" required:"yes" doc:"what clients send as Pocket-Simulation-Key-Id"`
	Enabled  bool     `yaml:"enabled" doc:"false refuses its relays"`
	App      string   `yaml:"app_pubkey_hex" required:"yes" doc:"compressed public key of the application"`
	Gateways []string `yaml:"gateway_pubkeys_hex" required:"yes" doc:"compressed public keys of its gateways"`
	Services []string `yaml:"allowed_services" doc:"ids of the services it may ask; default: all"`
	MaxRPS   int      `yaml:"max_rps" doc:"relays a second; default: 5"`
	NotAfter string   `yaml:"not_after" doc:"until when, as 2027-01-31T00:00:00Z; default: for ever"`
}

// Limits are those of one relayer, over all its transports.
type Limits struct {
	MaxConcurrent  int           `yaml:"max_concurrent" doc:"most relays in flight"`
	MaxMemory      Bytes         `yaml:"max_memory" doc:"most bytes of requests and answers in flight"`
	MaxConnections int           `yaml:"max_connections" doc:"most connections of clients, also idle ones; more are closed at once"`
	MaxPerAddress  int           `yaml:"max_connections_per_address" doc:"most connections of one IPv4 address or IPv6 /64; 0 does not limit, as behind a balancer that hides them, see trusted_proxies"`
	MaxWebSockets  int           `yaml:"max_websockets" doc:"most WebSockets of clients, of 52 KiB each; more are refused with status 429"`
	ReadTimeout    time.Duration `yaml:"read_timeout" doc:"for a whole request to come, over HTTP and gRPC"`
	Rate           Rate          `yaml:"rate"`
	PerApplication Rate          `yaml:"per_application"`
}

// Rate is a token bucket.
type Rate struct {
	PerSecond float64 `yaml:"per_second" doc:"relays a second; 0 does not limit"`
	Burst     int     `yaml:"burst" doc:"relays at once; default: those of a second"`
}

// RelayMeter keeps applications within what their stake pays for.
type RelayMeter struct {
	OverServicing bool          `yaml:"enable_over_servicing" doc:"serve relays that an application's stake does not pay for; they are not mined"`
	RedisGrace    time.Duration `yaml:"redis_grace" doc:"for so long a relayer that has used up what it leased goes on without Redis, up to a sixteenth of what was left of each session; 0 refuses at once"`
	MaxLease      int           `yaml:"max_lease" doc:"most relays of a session that a relayer holds ahead of time, and a dead one takes out of it"`
}

// Drain is how a relayer leaves: on SIGTERM, or when asked at /drain.
type Drain struct {
	Grace   time.Duration `yaml:"grace" doc:"from the moment that /readyz says no until the port closes; longer than the balancer takes to notice"`
	Timeout time.Duration `yaml:"timeout" doc:"for relays in flight to end after that"`
}

// Spool is what a relayer keeps of published relays until miners have archived their
// sessions, to publish it again when Redis lost it.
type Spool struct {
	MaxBytes Bytes  `yaml:"max_bytes" doc:"memory for relays of sessions that miners have not archived yet, which are published again when Redis may have lost them; the oldest leave first; 0 keeps none"`
	Dir      string `yaml:"dir" local:"yes" doc:"directory for them: they outlive the process, and relays are taken while Redis is away; default: memory only, and relays are refused then; relative to this file"`
}

// Service is one on-chain service and its backends by RPC type.
type Service struct {
	DefaultBackend       string             `yaml:"default_backend" doc:"RPC type of requests without an Rpc-Type header; default: jsonrpc, or the only backend"`
	Timeout              time.Duration      `yaml:"timeout" alias:"request_timeout_seconds" doc:"from a request's arrival to the backend's last byte"`
	MaxRequestBody       Bytes              `yaml:"max_request_body" alias:"max_request_body_size_bytes" doc:"largest serialized relay request"`
	MaxResponseBody      Bytes              `yaml:"max_response_body" alias:"max_response_body_size_bytes" doc:"largest backend body"`
	Rate                 Rate               `yaml:"rate"`
	ForwardPocketHeaders bool               `yaml:"forward_pocket_headers" doc:"send Pocket-* headers to the backend"`
	Backends             map[string]Backend `yaml:"backends" required:"yes" doc:"by RPC type"`
}

// Tx are the terms of transactions.
type Tx struct {
	GasPrice      string  `yaml:"gas_price" doc:"uPOKT per unit of gas, for example 0.001upokt"`
	MaxGasPrice   string  `yaml:"max_gas_price" doc:"paid when the nodes ask for more than gas_price; beyond it nothing is sent"`
	GasAdjustment float64 `yaml:"gas_adjustment" doc:"gas limit over simulated gas"`
	GasLimit      uint64  `yaml:"gas_limit" doc:"no transaction asks for more gas"`
	// A session is skipped with a reason, and never after its claim was sent.
	SkipUnprofitable bool `yaml:"skip_unprofitable" doc:"do not claim what costs more, in fees and proof fees, than it pays"`
}

// Metrics is the address for /metrics, /livez and /readyz.
type Metrics struct {
	Enabled bool   `yaml:"enabled" doc:"serve metrics and health"`
	Addr    string `yaml:"addr" local:"yes" doc:"host:port"`
}

// Logging goes to standard error.
type Logging struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"json or console; default: json, and console on a terminal"`
}
