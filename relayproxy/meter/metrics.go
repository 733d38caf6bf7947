package meter

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	committed, refunded, overBudget, unavailable, graced prometheus.Counter

	calls    *prometheus.CounterVec
	latency  prometheus.Histogram
	sessions prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	consumptions := f.NewCounterVec(prometheus.CounterOpts{
		Name: "ha_relayer_relay_meter_consumptions_total", Help: "Verified relays by what they did to their session's budget.",
	}, []string{"result"})
	return &metrics{
		committed: consumptions.WithLabelValues("committed"), refunded: consumptions.WithLabelValues("refunded"),
		overBudget: consumptions.WithLabelValues("over_budget"), unavailable: consumptions.WithLabelValues("unavailable"),
		graced: f.NewCounter(prometheus.CounterOpts{
			Name: "ha_relayer_relay_meter_grace_total", Help: "Relays taken without Redis, beyond what was leased.",
		}),
		calls: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_relayer_relay_meter_leases_total", Help: "Leases asked for.",
		}, []string{"result"}),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name: "ha_relayer_relay_meter_latency_seconds", Help: "Time of a lease.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 10),
		}),
		sessions: f.NewGauge(prometheus.GaugeOpts{
			Name: "ha_relayer_relay_meter_sessions_active", Help: "Sessions that this relayer meters.",
		}),
	}
}

func (m *metrics) leases(result string) prometheus.Counter { return m.calls.WithLabelValues(result) }

// refused counts a relay that was not reserved.
func (m *metrics) refused(err error) {
	switch {
	case errors.Is(err, ErrOverBudget):
		m.overBudget.Inc()
	case err != nil:
		m.unavailable.Inc()
	}
}
