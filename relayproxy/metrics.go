package relayproxy

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownService is the label of relays whose service is not configured: label
// values come from configuration only, never from a request.
const unknownService = "unknown"

// latencyBuckets reach from a cache hit to the slowest backend allowed.
var latencyBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 600}

// metrics are the relayer's, under the names dashboards of the field use.
type metrics struct {
	received, mined, published, skipped *prometheus.CounterVec   // service_id, rpc_type
	served                              *prometheus.CounterVec   // + status_code
	rejected                            *prometheus.CounterVec   // + reason
	latency, validation                 *prometheus.HistogramVec // service_id, rpc_type
	backendLatency                      *prometheus.HistogramVec // + outcome
	webSockets                          prometheus.Gauge
	backendRetries                      *prometheus.CounterVec // service_id, rpc_type
	backendOut                          *prometheus.CounterVec // + backend, reason
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "ha_relayer", Name: name, Help: help},
			append([]string{"service_id", "rpc_type"}, more...))
	}
	histogram := func(name, help string, more ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "ha_relayer", Name: name, Help: help, Buckets: latencyBuckets},
			append([]string{"service_id", "rpc_type"}, more...))
	}
	m := &metrics{
		received:       counter("relays_received_total", "Relay requests that could be read and have a backend here."),
		served:         counter("relays_served_total", "Signed responses by the backend's status class.", "status_code"),
		rejected:       counter("relays_rejected_total", "Relay requests refused, by reason.", "reason"),
		mined:          counter("relays_mined_total", "Served relays whose hash met the difficulty."),
		published:      counter("relays_published_total", "Mined relays that are in the stream."),
		skipped:        counter("relays_skipped_difficulty_total", "Served relays whose hash did not meet the difficulty."),
		latency:        histogram("relay_latency_seconds", "From a request's arrival to its signed response."),
		validation:     histogram("validation_latency_seconds", "Verification of a request: session, ring signature, price."),
		backendLatency: histogram("backend_latency_seconds", "Backend calls by outcome.", "outcome"),
	}
	m.backendRetries = counter("backend_retries_total", "Relays sent to another backend after one failed.")
	m.backendOut = counter("backend_out_total", "Times that a backend was taken out, by reason: failing, unhealthy, lagging.", "backend", "reason")
	m.webSockets = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "ha_relayer", Name: "websocket_connections_active", Help: "WebSockets of clients that are open.",
	})
	for _, c := range []prometheus.Collector{m.webSockets, m.received, m.served, m.rejected, m.mined, m.published, m.skipped, m.latency, m.validation, m.backendLatency, m.backendRetries, m.backendOut} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// routeMetrics are the metrics of one route, looked up once.
type routeMetrics struct {
	received, mined, published, skipped prometheus.Counter
	retried                             prometheus.Counter
	latency, validation                 prometheus.Observer
	backends                            [outcomeCount]prometheus.Observer
	rejected                            [reasonCount]prometheus.Counter
	served                              [6]prometheus.Counter // by status class; 0 is an odd status
}

func (m *metrics) route(service string, t RPCType) routeMetrics {
	rpc := RPCTypeName(t)
	out := routeMetrics{
		received:   m.received.WithLabelValues(service, rpc),
		mined:      m.mined.WithLabelValues(service, rpc),
		published:  m.published.WithLabelValues(service, rpc),
		skipped:    m.skipped.WithLabelValues(service, rpc),
		retried:    m.backendRetries.WithLabelValues(service, rpc),
		latency:    m.latency.WithLabelValues(service, rpc),
		validation: m.validation.WithLabelValues(service, rpc),
	}
	for o := range outcomeCount {
		out.backends[o] = m.backendLatency.WithLabelValues(service, rpc, o.String())
	}
	for r := range reasonCount {
		out.rejected[r] = m.rejected.WithLabelValues(service, rpc, r.String())
	}
	for class := range out.served {
		out.served[class] = m.served.WithLabelValues(service, rpc, statusClass(class))
	}
	return out
}

func statusClass(class int) string {
	if class == 0 {
		return "other"
	}
	return strconv.Itoa(class) + "xx"
}

func (m *routeMetrics) backend(o outcome) prometheus.Observer { return m.backends[o] }

// serve counts a signed response.
func (m *routeMetrics) serve(status int, took time.Duration) {
	class := status / 100
	if class < 0 || class >= len(m.served) {
		class = 0
	}
	m.served[class].Inc()
	m.latency.Observe(took.Seconds())
}
