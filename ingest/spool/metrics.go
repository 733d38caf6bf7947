package spool

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	relays, bytes, pending prometheus.Gauge
	accepted, late         prometheus.Counter
	shed, republished      *prometheus.CounterVec
	changes, diskErrors    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		relays:   f.NewGauge(prometheus.GaugeOpts{Name: "ha_relayer_spool_relays", Help: "Published relays kept until the miners have archived their sessions."}),
		bytes:    f.NewGauge(prometheus.GaugeOpts{Name: "ha_relayer_spool_bytes", Help: "Memory of those relays."}),
		pending:  f.NewGauge(prometheus.GaugeOpts{Name: "ha_relayer_spool_pending_bytes", Help: "Those of them that are not in the stream yet."}),
		accepted: f.NewCounter(prometheus.CounterOpts{Name: "ha_relayer_spool_accepted_total", Help: "Relays acknowledged by the spool's directory while Redis was away."}),
		late:     f.NewCounter(prometheus.CounterOpts{Name: "ha_relayer_spool_late_total", Help: "Accepted relays whose session was sealed before Redis was back: lost."}),
		shed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_relayer_spool_shed_total", Help: "Relays that left a full spool, by whether a stored tree had them.",
		}, []string{"tree"}),
		republished: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_relayer_spool_republished_total", Help: "Relays published again after Redis changed, by what became of them.",
		}, []string{"result"}),
		changes:    f.NewCounter(prometheus.CounterOpts{Name: "ha_relayer_redis_changes_total", Help: "Times that Redis was another one, or went back."}),
		diskErrors: f.NewCounter(prometheus.CounterOpts{Name: "ha_relayer_spool_disk_errors_total", Help: "Relays that could not be written to the spool's directory."}),
	}
}
