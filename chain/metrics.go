package chain

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are about the full nodes.
type Metrics struct {
	up, height, pushing *prometheus.GaugeVec
	polls, events       *prometheus.CounterVec
	shared              *prometheus.CounterVec
	head, gap           prometheus.Gauge
	hedged, stale       prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_chain_node_up", Help: "1 while a full node follows the chain and is asked, by host.",
		}, []string{"node"}),
		height: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_chain_node_height", Help: "Newest block of a full node, by host.",
		}, []string{"node"}),
		pushing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_chain_node_pushing", Help: "1 while a full node pushes its new blocks over a WebSocket, by host.",
		}, []string{"node"}),
		shared: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_chain_shared_answers_total", Help: "Answers looked for among those that relayers share before the chain was asked, by kind, and whether they were found or missing.",
		}, []string{"kind", "result"}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_chain_node_polls_total", Help: "Times that a full node was asked for its newest block, by host.",
		}, []string{"node"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_chain_events_total", Help: "Events of blocks, by kind.",
		}, []string{"kind"}),
		gap: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ha_chain_feed_gap_blocks", Help: "Most blocks that this process has passed over at once since it started, because it saw them late.",
		}),
		head: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ha_chain_block_height", Help: "Newest block that this process has seen on any full node.",
		}),
		hedged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ha_chain_hedged_total", Help: "Questions that a second full node was asked because the first was slow.",
		}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ha_chain_stale_answers_total", Help: "Times that an answer served on because no full node answered.",
		}),
	}
	for _, c := range []prometheus.Collector{m.up, m.height, m.pushing, m.polls, m.shared, m.events, m.head, m.gap, m.hedged, m.stale} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register chain metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) saw(n *node, s sight, judgement error) {
	up := 1.0
	if judgement != nil {
		up = 0
	}
	m.polls.WithLabelValues(n.host).Inc()
	m.up.WithLabelValues(n.host).Set(up)
	if s.block.Height > 0 {
		m.height.WithLabelValues(n.host).Set(float64(s.block.Height))
	}
}
