package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/raftminer/raftminer/chain"
)

// Config is what a node needs to know. Zero timings mean the defaults.
type Config struct {
	NodeID  string // stable for ever; kept in DataDir and checked against it
	DataDir string

	Bind      string // host:port to listen on
	Advertise string // host:port that peers dial, may be a DNS name; default Bind

	// TLS is required unless Bind and Advertise are loopback addresses.
	TLS *TLSFiles

	ClusterID  string // written to the log by the first leader, checked by all later ones
	Partitions int    // likewise

	// Peers is the first membership, and only that: it is written once, when no
	// node state exists. BootstrapExpect is its size, or 0 to wait to be added.
	Peers           []Peer
	BootstrapExpect int

	HeartbeatTimeout   time.Duration
	ElectionTimeout    time.Duration
	LeaderLeaseTimeout time.Duration
	CommitTimeout      time.Duration
	StallLimit         time.Duration // a disk write older than this stops the node

	// Needs are what a leader works with outside of the group.
	Needs []Need

	// Holder works on the partitions that the group gives this member.
	Holder Holder

	// Ledger keeps what the group forgets; nil for none.
	Ledger Ledger

	// Resubmit is what a leader does about one session when an operator asks.
	Resubmit func(ctx context.Context, key chain.SessionKey) (Intent, error)

	Version    string // of the build, shown to operators
	ConfigHash string // of the configuration file, likewise; members should agree

	// Exit is called when the disk hangs, after peers were cut off. Such a node
	// may be unable to return from Run, so Exit should end the process.
	Exit func(reason error)

	commandSet uint8 // tests stand in for older builds with it
}

// Peer is a first member of the group.
type Peer struct{ ID, Addr string }

// Timings for one data centre with shared CPUs: below 150 ms elections happen for
// no reason on a busy box, and the close of a dead leader's connections starts an
// election after one lease anyway.
const (
	DefaultHeartbeatTimeout   = 500 * time.Millisecond
	DefaultElectionTimeout    = 500 * time.Millisecond
	DefaultLeaderLeaseTimeout = 250 * time.Millisecond
	DefaultCommitTimeout      = 20 * time.Millisecond
	DefaultStallLimit         = 2 * time.Second
)

// nodeIDPattern keeps ids fit for file names, certificates and owner strings.
var nodeIDPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// withDefaults fills what was left out.
func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&c.HeartbeatTimeout, DefaultHeartbeatTimeout)
	fill(&c.ElectionTimeout, DefaultElectionTimeout)
	fill(&c.LeaderLeaseTimeout, DefaultLeaderLeaseTimeout)
	fill(&c.CommitTimeout, DefaultCommitTimeout)
	fill(&c.StallLimit, DefaultStallLimit)
	if c.Advertise == "" {
		c.Advertise = c.Bind
	}
	if c.commandSet == 0 {
		c.commandSet = CommandSet
	}
	if c.Exit == nil {
		c.Exit = func(error) {}
	}
	return c
}

// validate reports every problem of c at once.
func (c Config) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !validNodeID(c.NodeID) {
		bad("node id %q: want letters, digits, dot, dash, underscore, at most 63", c.NodeID)
	}
	if c.DataDir == "" {
		bad("data dir is missing")
	}
	if c.ClusterID == "" {
		bad("cluster id is missing")
	}
	if c.Partitions < 1 || c.Partitions > maxPartitions {
		bad("%d partitions: want 1 to %d", c.Partitions, maxPartitions)
	}
	if err := checkAdvertise(c.Advertise); err != nil {
		bad("advertised address %q: %w", c.Advertise, err)
	}
	if c.LeaderLeaseTimeout > c.HeartbeatTimeout || c.HeartbeatTimeout > c.ElectionTimeout {
		bad("timeouts: want lease %s <= heartbeat %s <= election %s",
			c.LeaderLeaseTimeout, c.HeartbeatTimeout, c.ElectionTimeout)
	}
	if c.BootstrapExpect != 0 && c.BootstrapExpect != len(c.Peers) {
		bad("bootstrap_expect is %d but %d peers are listed", c.BootstrapExpect, len(c.Peers))
	}
	if c.BootstrapExpect != 0 && !slices.ContainsFunc(c.Peers, func(p Peer) bool { return p.ID == c.NodeID }) {
		bad("bootstrap_expect is %d, but this node, %s, is not among the peers", c.BootstrapExpect, c.NodeID)
	}
	problems = append(problems, c.checkPeers()...)
	return errors.Join(problems...)
}

func (c Config) checkPeers() []error {
	var problems []error
	ids, addrs := make(map[string]bool), make(map[string]bool)
	for _, p := range c.Peers {
		if !validNodeID(p.ID) {
			problems = append(problems, fmt.Errorf("peer id %q is not a node id", p.ID))
		}
		if err := checkAdvertise(p.Addr); err != nil {
			problems = append(problems, fmt.Errorf("address %q of peer %s: %w", p.Addr, p.ID, err))
		}
		if ids[p.ID] || addrs[p.Addr] {
			problems = append(problems, fmt.Errorf("peer %s at %s is listed twice", p.ID, p.Addr))
		}
		if p.ID == c.NodeID && p.Addr != c.Advertise {
			problems = append(problems, fmt.Errorf("peers list this node at %s, it advertises %s", p.Addr, c.Advertise))
		}
		ids[p.ID], addrs[p.Addr] = true, true
	}
	return problems
}

func validNodeID(id string) bool { return nodeIDPattern.MatchString(id) }

// checkAdvertise refuses what peers could not dial.
func checkAdvertise(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if port == "" || port == "0" {
		return errors.New("needs a port")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return errors.New("needs a host that peers can dial")
	}
	return nil
}

// isLoopback says that nobody off this machine can reach addr.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
