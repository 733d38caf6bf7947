package relayproxy

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/prometheus/client_golang/prometheus"
)

// refusals counts and logs every refused relay, in this one place.
type refusals struct {
	unknown [reasonCount]prometheus.Counter
	log     *zap.Logger
}

func newRefusals(m *metrics, log *zap.Logger) *refusals {
	out := &refusals{
		// A dead backend refuses thousands of relays a second: a few lines say it.
		log: log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
			return zapcore.NewSamplerWithOptions(c, time.Second, 5, 1000)
		})),
	}
	for reason := range reasonCount {
		out.unknown[reason] = m.rejected.WithLabelValues(unknownService, RPCTypeName(RPCUnknown), reason.String())
	}
	return out
}

// record notes a refusal. r is nil, or without a route, when the request could
// not be read far enough.
func (o *refusals) record(r *relay, refusal *Refusal) {
	service := unknownService
	if r != nil && r.route != nil {
		service = r.route.service
		r.route.metrics.rejected[refusal.Reason].Inc()
	} else {
		o.unknown[refusal.Reason].Inc()
	}
	level := zap.DebugLevel
	if wireForms[refusal.Reason].ours {
		level = zap.WarnLevel
	}
	if entry := o.log.Check(level, "relay refused"); entry != nil {
		entry.Write(zap.String("service_id", service), zap.Stringer("reason", refusal.Reason), zap.Error(refusal))
	}
}
