package config

import (
	"fmt"
	"net"
	"regexp"
	"time"
)

// minRaftTimeout is where elections begin to happen for no reason on a busy
// machine.
const minRaftTimeout = 150 * time.Millisecond

// minKeepBlocks lets everybody see how a session ended before it is forgotten.
const minKeepBlocks = 10

// nodeID is fit for file names, certificates and owner strings.
var nodeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (v *validator) miner() {
	m := v.cfg.Miner
	v.required("miner", m)
	v.nodeID("miner.node_id", m.NodeID)
	v.required("miner.raft", m.Raft)
	if v.listenAddress("miner.raft.bind", m.Raft.Bind) {
		v.advertise(m.Raft)
	}
	v.peers(m)
	v.timings(m.Raft)
	if m.Ingest.FlushInterval <= 0 {
		v.bad("miner.ingest.flush_interval", "must be positive")
	}
	if m.KeepBlocks < minKeepBlocks {
		v.bad("miner.keep_blocks", "must be at least %d", minKeepBlocks)
	}
	if m.Ingest.FlushRelays <= 0 {
		v.bad("miner.ingest.flush_relays", "must be positive")
	}
}

func (v *validator) nodeID(path, id string) {
	if id != "" && !nodeID.MatchString(id) {
		v.bad(path, "%q: want letters, digits, dot, dash and underscore, at most 63", id)
	}
}

// advertise is bind unless it is set; a bind to all addresses tells no peer
// where to go.
func (v *validator) advertise(r Raft) {
	v.tls(r)
	if r.Advertise == r.Bind {
		v.dialAddress("miner.raft.bind", r.Bind)
		return
	}
	v.dialAddress("miner.raft.advertise", r.Advertise)
}

// tls is needed wherever somebody else could listen.
func (v *validator) tls(r Raft) {
	if !r.TLS.Enabled() {
		v.loopback("miner.raft.bind", r.Bind)
		if r.Advertise != r.Bind {
			v.loopback("miner.raft.advertise", r.Advertise)
		}
		return
	}
	for name, file := range map[string]string{"ca": r.TLS.CA, "cert": r.TLS.Cert, "key": r.TLS.Key} {
		if file == "" {
			v.bad("miner.raft.tls."+name, "is missing: ca, cert and key go together")
		}
	}
}

// loopback is where the raft transport stays as long as it is plaintext.
func (v *validator) loopback(path, addr string) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		v.bad(path, "%q is not on loopback, and miner.raft.tls is not set", addr)
	}
}

func (v *validator) peers(m Miner) {
	if m.Raft.BootstrapExpect != 0 && m.Raft.BootstrapExpect != len(m.Raft.Peers) {
		v.bad("miner.raft.bootstrap_expect", "is %d, but %d peers are listed", m.Raft.BootstrapExpect, len(m.Raft.Peers))
	}
	ids, addrs := make(map[string]bool), make(map[string]bool)
	for i, p := range m.Raft.Peers {
		at := fmt.Sprintf("miner.raft.peers[%d]", i)
		v.required(at, p)
		v.nodeID(at+".id", p.ID)
		v.dialAddress(at+".addr", p.Addr)
		if p.ID != "" && ids[p.ID] {
			v.bad(at+".id", "%q is listed twice", p.ID)
		}
		if p.Addr != "" && addrs[p.Addr] {
			v.bad(at+".addr", "%q is listed twice", p.Addr)
		}
		if p.ID == m.NodeID && p.Addr != "" && m.Raft.Advertise != "" && p.Addr != m.Raft.Advertise {
			v.bad(at+".addr", "is %s for this node, which advertises %s", p.Addr, m.Raft.Advertise)
		}
		ids[p.ID], addrs[p.Addr] = true, true
	}
	if len(m.Raft.Peers) > 0 && m.NodeID != "" && !ids[m.NodeID] {
		v.bad("miner.node_id", "%q is not among miner.raft.peers%s", m.NodeID, didYouMean(m.NodeID, sortedKeys(ids)))
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
	if r.Lease < minLease {
		v.bad("miner.raft.leader_lease_timeout", "%s is below %s", r.Lease, minLease)
	}
	if r.Commit < minCommit || r.Commit > r.Heartbeat {
		v.bad("miner.raft.commit_timeout", "%s is not from %s to heartbeat_timeout %s", r.Commit, minCommit, r.Heartbeat)
	}
}

// Bounds below which hashicorp/raft refuses to start (ValidateConfig).
const (
	minLease  = 5 * time.Millisecond
	minCommit = time.Millisecond
)
