package relayproxy

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// backendChanged counts and logs that a backend of a route goes out or comes in.
func (m *metrics) backendChanged(service string, t RPCType, log *zap.Logger) func(*pool.Member, pool.Why, bool) {
	return func(member *pool.Member, why pool.Why, out bool) {
		fields := []zap.Field{
			zap.String("service_id", service), zap.String("rpc_type", RPCTypeName(t)),
			zap.String("backend", member.Name), zap.Stringer("reason", why),
		}
		if !out {
			log.Info("backend is back", fields...)
			return
		}
		m.backendOut.WithLabelValues(service, RPCTypeName(t), member.Name, why.String()).Inc()
		log.Warn("backend is out", fields...)
	}
}

// backendState tells the state of all backends when metrics are read.
type backendState struct {
	routes          routes
	status, pending *prometheus.Desc
}

func newBackendState(r routes) *backendState {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("ha_relayer_"+name, help, []string{"service_id", "rpc_type", "backend"}, nil)
	}
	return &backendState{
		routes:  r,
		status:  desc("backend_health_status", "1 while the backend gets relays, 0 while it is out."),
		pending: desc("backend_pending", "Relays and open WebSockets that the backend has now."),
	}
}

// Describe implements prometheus.Collector.
func (s *backendState) Describe(to chan<- *prometheus.Desc) { to <- s.status; to <- s.pending }

// Collect implements prometheus.Collector.
func (s *backendState) Collect(to chan<- prometheus.Metric) {
	s.routes.each(func(rt *route) {
		for _, m := range rt.backends.set.Members() {
			status := 1.0
			if m.Out() != 0 {
				status = 0
			}
			labels := []string{rt.service, RPCTypeName(rt.rpcType), m.Name}
			to <- prometheus.MustNewConstMetric(s.status, prometheus.GaugeValue, status, labels...)
			to <- prometheus.MustNewConstMetric(s.pending, prometheus.GaugeValue, float64(m.Pending()), labels...)
		}
	})
}
