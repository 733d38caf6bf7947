package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BackendTypes are the RPC types that a service can have a backend for.
var BackendTypes = []string{"jsonrpc", "rest", "cometbft"}

// minRaftTimeout is where elections begin to happen for no reason on a busy
// machine.
const minRaftTimeout = 150 * time.Millisecond

// validator finds the wrong values that a decoder cannot see.
type validator struct {
	*decoder
	cfg  *Config
	role Role
}

func (v *validator) bad(path, format string, args ...any) {
	v.problem(v.lines[path], path, format, args...)
}

func (v *validator) required(path, value string) bool {
	if value == "" {
		v.bad(path, "is required")
	}
	return value != ""
}

func (v *validator) validate() {
	v.chain()
	v.shared()
	if v.role == RoleMiner || v.role == RoleAny && v.has("miner") {
		v.miner()
	}
	if v.role == RoleRelayer || v.role == RoleAny && v.has("relayer") {
		v.address("relayer.listen_addr", v.cfg.Relayer.ListenAddr)
		v.services()
	}
	v.tx()
	v.observability()
}

func (v *validator) has(section string) bool { return v.lines[section] > 0 }

func (v *validator) chain() {
	v.required("chain.id", v.cfg.Chain.ID)
	if len(v.cfg.Chain.Nodes) == 0 {
		v.bad("chain.nodes", "needs at least one full node")
	}
	for i, n := range v.cfg.Chain.Nodes {
		at := fmt.Sprintf("chain.nodes[%d]", i)
		v.url(at+".rpc", n.RPC, "http", "https")
		v.url(at+".grpc", n.GRPC, "http", "https")
	}
}

func (v *validator) shared() {
	v.url("redis.url", v.cfg.Redis.URL.Reveal(), "redis", "rediss", "unix")
	v.required("redis.namespace.base_prefix", v.cfg.Redis.Namespace.BasePrefix)
	v.required("keys.keys_file", v.cfg.Keys.File)
	v.required("cluster.id", v.cfg.Cluster.ID)
	if n := v.cfg.Cluster.Partitions; n < 1 || n > 1024 {
		v.bad("cluster.partitions", "is %d, must be from 1 to 1024", n)
	}
}

func (v *validator) miner() {
	m := v.cfg.Miner
	v.required("miner.node_id", m.NodeID)
	v.required("miner.data_dir", m.DataDir)
	v.address("miner.raft.bind", m.Raft.Bind)
	if m.Raft.Advertise != "" {
		v.address("miner.raft.advertise", m.Raft.Advertise)
	}
	v.peers(m)
	v.timings(m.Raft)
	if m.Ingest.FlushInterval <= 0 {
		v.bad("miner.ingest.flush_interval", "must be positive")
	}
	if m.Ingest.FlushRelays <= 0 {
		v.bad("miner.ingest.flush_relays", "must be positive")
	}
}

func (v *validator) peers(m Miner) {
	if m.Raft.BootstrapExpect != 0 && m.Raft.BootstrapExpect != len(m.Raft.Peers) {
		v.bad("miner.raft.bootstrap_expect", "is %d, but %d peers are listed", m.Raft.BootstrapExpect, len(m.Raft.Peers))
	}
	ids, addrs := make(map[string]bool), make(map[string]bool)
	for i, p := range m.Raft.Peers {
		at := fmt.Sprintf("miner.raft.peers[%d]", i)
		v.required(at+".id", p.ID)
		v.address(at+".addr", p.Addr)
		if ids[p.ID] {
			v.bad(at+".id", "%q is listed twice", p.ID)
		}
		if addrs[p.Addr] {
			v.bad(at+".addr", "%q is listed twice", p.Addr)
		}
		ids[p.ID], addrs[p.Addr] = true, true
	}
	if len(m.Raft.Peers) > 0 && m.NodeID != "" && !ids[m.NodeID] {
		v.bad("miner.node_id", "%q is not among miner.raft.peers", m.NodeID)
	}
}

// timings are checked together: raft's own rule is lease <= heartbeat <= election.
func (v *validator) timings(r Raft) {
	if r.Lease > r.Heartbeat {
		v.bad("miner.raft.leader_lease_timeout", "%s is above heartbeat_timeout %s", r.Lease, r.Heartbeat)
	}
	if r.Heartbeat > r.Election {
		v.bad("miner.raft.heartbeat_timeout", "%s is above election_timeout %s", r.Heartbeat, r.Election)
	}
	if r.Heartbeat < minRaftTimeout {
		v.bad("miner.raft.heartbeat_timeout", "%s is below %s: a busy machine would elect for no reason", r.Heartbeat, minRaftTimeout)
	}
	if r.Lease <= 0 || r.Commit <= 0 {
		v.bad("miner.raft", "leader_lease_timeout and commit_timeout must be positive")
	}
}

func (v *validator) services() {
	if len(v.cfg.Services) == 0 {
		v.bad("services", "a relayer needs at least one service")
	}
	for _, id := range slices.Sorted(maps.Keys(v.cfg.Services)) {
		v.service("services."+id, v.cfg.Services[id])
	}
}

func (v *validator) service(at string, s Service) {
	if len(s.Backends) == 0 {
		v.bad(at, "needs at least one backend")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Backends)) {
		path := at + ".backends." + name
		if !slices.Contains(BackendTypes, name) {
			v.bad(path, "no such RPC type%s", didYouMean(name, BackendTypes))
		}
		v.url(path+".url", s.Backends[name].URL, "http", "https")
	}
	if s.DefaultBackend != "" {
		if _, ok := s.Backends[s.DefaultBackend]; !ok {
			v.bad(at+".default_backend", "%q has no backend", s.DefaultBackend)
		}
	}
	if s.Timeout < 0 {
		v.bad(at+".timeout", "must be positive")
	}
}

func (v *validator) tx() {
	if _, err := v.cfg.Tx.Price(); err != nil {
		v.bad("tx.gas_price", "%v", err)
	}
	if v.cfg.Tx.GasAdjustment < 1 {
		v.bad("tx.gas_adjustment", "is %g, must be 1 or more", v.cfg.Tx.GasAdjustment)
	}
	if v.cfg.Tx.GasLimit == 0 {
		v.bad("tx.gas_limit", "must be positive")
	}
}

func (v *validator) observability() {
	if v.cfg.Metrics.Enabled {
		v.address("metrics.addr", v.cfg.Metrics.Addr)
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, v.cfg.Logging.Level) {
		v.bad("logging.level", "%q is not one of %s", v.cfg.Logging.Level, strings.Join(levels, ", "))
	}
	if formats := []string{"", "json", "console"}; !slices.Contains(formats, v.cfg.Logging.Format) {
		v.bad("logging.format", "%q is neither json nor console", v.cfg.Logging.Format)
	}
}

func (v *validator) url(path, raw string, schemes ...string) {
	if !v.required(path, raw) {
		return
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Host == "" && u.Path == "") || !slices.Contains(schemes, u.Scheme) {
		v.bad(path, "must be a URL with scheme %s", strings.Join(schemes, " or "))
	}
}

func (v *validator) address(path, addr string) {
	if !v.required(path, addr) {
		return
	}
	_, port, err := net.SplitHostPort(addr)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		v.bad(path, "%q is not host:port", addr)
	}
}

// Price is the gas price in uPOKT.
func (t Tx) Price() (float64, error) {
	price, err := strconv.ParseFloat(strings.TrimSuffix(t.GasPrice, "upokt"), 64)
	if err != nil || price < 0 || !strings.HasSuffix(t.GasPrice, "upokt") {
		return 0, fmt.Errorf("%q is not a price such as 0.001upokt", t.GasPrice)
	}
	return price, nil
}
