package keystore

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are about the keys of a process.
type Metrics struct {
	active, retired, reloaded prometheus.Gauge
	changes, errors, events   *prometheus.CounterVec
	lacking                   *prometheus.GaugeVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &Metrics{
		active:   gauge("ha_keys_supplier_keys_active", "Keys of suppliers that serve new sessions."),
		retired:  gauge("ha_keys_supplier_keys_retired", "Keys that are only held until the sessions are over that they served."),
		reloaded: gauge("ha_keys_last_successful_reload_timestamp_seconds", "Unix time at which every source of keys was last read without a problem."),
		changes:  vec("ha_keys_changes_total", "Keys by what became of them.", "change"),
		events:   vec("ha_keys_supplier_events_total", "What the chain did to suppliers with a key here.", "event"),
		lacking: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_keys_suppliers_lacking", Help: "Suppliers with a key here that cannot earn, or not for long, by what they lack on chain.",
		}, []string{"lacks"}),
		errors: vec("ha_keys_load_errors_total", "Problems with sources of keys.", "source", "reason"),
	}
}

func (m *Metrics) problem(p Problem) {
	m.errors.WithLabelValues(strings.TrimPrefix(p.Setting, "keys."), string(p.Reason)).Inc()
}

func (m *Metrics) changed(c changes) {
	m.changes.WithLabelValues("added").Add(float64(len(c.added)))
	m.changes.WithLabelValues("retired").Add(float64(len(c.retired)))
	m.changes.WithLabelValues("restored").Add(float64(len(c.restored)))
}

func (m *Metrics) held(keys map[string]held) {
	active := 0
	for _, h := range keys {
		if !h.retired {
			active++
		}
	}
	m.active.Set(float64(active))
	m.retired.Set(float64(len(keys) - active))
}
