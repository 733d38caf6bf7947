package raftfsm

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

// nodeMetrics reads most values from the node when it is scraped.
type nodeMetrics struct {
	node *Node

	write         prometheus.Histogram
	apply         prometheus.Histogram
	leaderChanges prometheus.Counter

	gauges []nodeGauge
}

// nodeGauge is a value that is read, not kept. It is left out while unknown.
type nodeGauge struct {
	desc *prometheus.Desc
	read func(*Node) (value float64, known bool)
}

func newNodeMetrics(n *Node) *nodeMetrics {
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ha_raft_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(25e-6, 2.5, 14), // 25 us to 3.7 s
		})
	}
	return &nodeMetrics{
		node:  n,
		write: histogram("log_fsync_seconds", "Time of a durable write to the raft log or vote."),
		apply: histogram("fsm_apply_seconds", "Time to apply one command to the state."),
		leaderChanges: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ha_raft_leader_changes_total", Help: "Times this node learned of another leader.",
		}),
		gauges: nodeGauges(),
	}
}

func nodeGauges() []nodeGauge {
	gauge := func(name, help string, read func(*Node) (float64, bool)) nodeGauge {
		return nodeGauge{desc: prometheus.NewDesc("ha_raft_"+name, help, nil, nil), read: read}
	}
	always := func(read func(*Node) float64) func(*Node) (float64, bool) {
		return func(n *Node) (float64, bool) { return read(n), true }
	}
	return []nodeGauge{
		gauge("is_leader", "1 while this node has opened an epoch and leads in it.", always(leadingValue)),
		gauge("state", "Raft state: 0 follower, 1 candidate, 2 leader, 3 shutdown.",
			always(func(n *Node) float64 { return float64(n.raft.State()) })),
		gauge("term", "Current raft term.", always(func(n *Node) float64 { return float64(n.raft.CurrentTerm()) })),
		gauge("commit_index", "Last log index known to be committed.",
			always(func(n *Node) float64 { return float64(n.raft.CommitIndex()) })),
		gauge("applied_index", "Last log index applied to the state.",
			always(func(n *Node) float64 { return float64(n.raft.AppliedIndex()) })),
		gauge("needs_missing", "Things outside of the group that a leader needs and that this member does not reach.",
			always(func(n *Node) float64 { return float64(len(n.fitness.now())) })),
		gauge("peers", "Members of the group.", always(func(n *Node) float64 { return float64(len(n.servers())) })),
		gauge("voters", "Members that vote.", always(func(n *Node) float64 { return float64(n.voters()) })),
		gauge("failure_tolerance", "Voters that may fail before the group stops, seen from the leader.", failureTolerance),
		gauge("last_contact_seconds", "Time since the leader's last word; 0 on the leader.", contactValue),
		gauge("snapshot_age_seconds", "Age of the newest snapshot on disk.", snapshotAge),
		gauge("state_agreed_seconds", "Time since this node's state was last found equal to the leader's.", stateAgreed),
	}
}

// Describe implements prometheus.Collector.
func (m *nodeMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, g := range m.gauges {
		out <- g.desc
	}
	m.write.Describe(out)
	m.apply.Describe(out)
	m.leaderChanges.Describe(out)
}

// Collect implements prometheus.Collector.
func (m *nodeMetrics) Collect(out chan<- prometheus.Metric) {
	for _, g := range m.gauges {
		if value, known := g.read(m.node); known {
			out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value)
		}
	}
	m.write.Collect(out)
	m.apply.Collect(out)
	m.leaderChanges.Collect(out)
}

func (m *nodeMetrics) observeWrite(d time.Duration) {
	m.write.Observe(d.Seconds())
	m.node.writes.note(d)
}

func (m *nodeMetrics) observeApply(d time.Duration) { m.apply.Observe(d.Seconds()) }

// leaderObserver counts leaders as raft sees them come; it keeps nothing, so the
// filter does the work and no channel can fill up.
func (m *nodeMetrics) leaderObserver() *raft.Observer {
	return raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		if seen, ok := o.Data.(raft.LeaderObservation); ok && seen.LeaderID != "" {
			m.leaderChanges.Inc()
		}
		return false
	})
}

func leadingValue(n *Node) float64 {
	if n.leading.Load() != nil {
		return 1
	}
	return 0
}

func stateAgreed(n *Node) (float64, bool) {
	last := n.fsm.marks.agreed.Load()
	return time.Since(time.Unix(0, last)).Seconds(), last > 0
}

func contactValue(n *Node) (float64, bool) {
	d := n.lastContact()
	return d.Seconds(), d >= 0
}

func (n *Node) voters() int {
	count := 0
	for _, s := range n.servers() {
		if s.Suffrage == raft.Voter {
			count++
		}
	}
	return count
}

// failureTolerance counts the healthy voters beyond the quorum.
func failureTolerance(n *Node) (float64, bool) {
	if n.raft.State() != raft.Leader {
		return 0, false
	}
	voters, healthy := 0, 0
	for _, m := range n.Members() {
		if m.Suffrage != suffrageName(raft.Voter) {
			continue
		}
		voters++
		if m.Known && m.LastContact <= n.cfg.HeartbeatTimeout {
			healthy++
		}
	}
	return float64(healthy - (voters/2 + 1)), true
}

// snapshotAge reads the time in the newest snapshot's name, term-index-milliseconds.
func snapshotAge(n *Node) (float64, bool) {
	list, err := n.store.snapshots.List()
	if err != nil || len(list) == 0 {
		return 0, false
	}
	parts := strings.Split(list[0].ID, "-")
	ms, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
	if err != nil {
		return 0, false
	}
	return time.Since(time.UnixMilli(ms)).Seconds(), true
}
