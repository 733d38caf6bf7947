package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what owners do. One set serves every ownership of a process.
type Metrics struct {
	consumed     *prometheus.CounterVec
	added        prometheus.Counter
	duplicates   prometheus.Counter
	flushes      prometheus.Counter
	fenced       prometheus.Counter
	failed       prometheus.Counter
	duration     prometheus.Histogram
	trees        prometheus.Gauge
	lag          prometheus.Gauge
	delay        prometheus.Gauge
	memory       prometheus.Gauge
	shed         prometheus.Counter
	repaired     prometheus.Counter
	lost         prometheus.Counter
	firstFlush   prometheus.Gauge
	unreplicated prometheus.Counter
	rollbacks    prometheus.Counter
	restored     prometheus.Counter
	held         prometheus.Gauge
	taken        prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &Metrics{
		consumed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_miner_relays_consumed_total", Help: "Stream entries read, by what became of them.",
		}, []string{"result"}),
		added:      counter("ha_miner_relays_added_to_smst_total", "Relays that are in a stored tree."),
		duplicates: counter("ha_miner_relays_deduplicated_total", "Stream entries whose relay was in its tree already."),
		flushes:    counter("ha_miner_flushes_total", "Flushes that were stored."),
		fenced:     counter("ha_miner_flush_fenced_total", "Writes refused because another owner holds the fence."),
		failed:     counter("ha_miner_flush_errors_total", "Flushes that failed or whose outcome is unknown; they are read again."),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name: "ha_miner_flush_seconds", Help: "Duration of a flush.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 12),
		}),
		trees: gauge("ha_miner_session_trees_active", "Trees that are not sealed."),
		lag:   gauge("ha_miner_consumer_lag", "Relays read from the streams that are not in a stored tree yet."),
		delay: gauge("ha_miner_consumer_delay_seconds", "Age of the oldest relay read that is not in a stored tree yet."),
		firstFlush: gauge("ha_miner_first_flush_timestamp_seconds",
			"Unix time of the first stored flush of this process's newest ownership: the end of a takeover."),
		repaired:     counter("ha_miner_smst_repairs_total", "Trees whose nodes Redis had lost in part and that were built again."),
		lost:         counter("ha_miner_relays_lost_total", "Relays that were in a tree and that Redis has lost."),
		rollbacks:    counter("ha_miner_redis_rollbacks_total", "Sessions that an owner found further back in Redis than they were."),
		restored:     counter("ha_miner_trees_restored_total", "Sealed trees that Redis lost before they were archived and that relayers' spools brought back."),
		held:         gauge("ha_miner_partitions_held", "Partitions that this process reads and stores."),
		taken:        counter("ha_miner_partitions_taken_total", "Partitions that this process took over, its own of before included."),
		unreplicated: counter("ha_miner_writes_unreplicated_total", "Flushes and seals that too few replicas confirmed in time."),
		memory:       gauge("ha_miner_session_trees_bytes", "Memory held by trees, estimated."),
		shed:         counter("ha_miner_session_trees_shed_total", "Trees dropped from memory to stay within its bound; they are read again when needed."),
	}
}

// What became of a stream entry.
const (
	resultAdded     = "added"
	resultDuplicate = "duplicate"
	resultLate      = "late"      // its session was sealed already
	resultMalformed = "malformed" // not a relay
	resultForeign   = "foreign"   // header or weight differ from the session's
)
