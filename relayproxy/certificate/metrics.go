package certificate

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are about all certificates of a process.
type Metrics struct {
	expiry *prometheus.GaugeVec
	loads  *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		expiry: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_relayer_tls_certificate_expiry_timestamp_seconds", Help: "Unix time at which the served certificate expires, by setting.",
		}, []string{"setting"}),
		loads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_relayer_tls_certificate_loads_total", Help: "Changed certificates, by setting and by whether they could be served: loaded, failed.",
		}, []string{"setting", "result"}),
	}
}

type metricsOf struct {
	expiry         prometheus.Gauge
	loaded, failed prometheus.Counter
}

func (m *Metrics) of(setting string) metricsOf {
	return metricsOf{
		expiry: m.expiry.WithLabelValues(setting),
		loaded: m.loads.WithLabelValues(setting, "loaded"), failed: m.loads.WithLabelValues(setting, "failed"),
	}
}
