package relayproxy

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// route is a service, its backends of one RPC type, and their metrics.
type route struct {
	service  string
	rpcType  RPCType
	limits   Service
	backends *backends
	bucket   *rate.Limiter // of the service; nil: no limit
	metrics  routeMetrics
}

// servesHTTP says that relays are sent as HTTP/1.1 requests.
func (r *route) servesHTTP() bool { return r.backends.all[0].client != nil }

// routes finds the route of a request.
type routes map[string]map[RPCType]*route

func newRoutes(cfg Config, m *metrics, log *zap.Logger) (routes, error) {
	out := make(routes, len(cfg.Services))
	for id, service := range cfg.Services {
		byType := make(map[RPCType]*route, len(service.Backends))
		bucket := service.Rate.bucket()
		for rpcType, backend := range service.Backends {
			b, err := newBackends(rpcType, backend, service, m.backendChanged(id, rpcType, log))
			if err != nil {
				return nil, fmt.Errorf("service %s, %s backend: %w", id, RPCTypeName(rpcType), err)
			}
			byType[rpcType] = &route{service: id, rpcType: rpcType, limits: service, backends: b, bucket: bucket, metrics: m.route(id, rpcType)}
		}
		if byType[service.DefaultBackend] == nil {
			if len(byType) > 1 {
				return nil, fmt.Errorf("service %s: the default backend %s is not configured", id, RPCTypeName(service.DefaultBackend))
			}
			for _, only := range byType {
				byType[RPCUnknown] = only
			}
		} else {
			byType[RPCUnknown] = byType[service.DefaultBackend]
		}
		out[id] = byType
	}
	return out, nil
}

// each visits every route once: the default of a service stands there twice.
func (r routes) each(visit func(*route)) {
	for _, byType := range r {
		for t, rt := range byType {
			if t != RPCUnknown {
				visit(rt)
			}
		}
	}
}

// watch runs the checks of all backends until ctx ends.
func (r routes) watch(ctx context.Context) {
	var wg sync.WaitGroup
	r.each(func(rt *route) { wg.Go(func() { rt.backends.watch(ctx) }) })
	wg.Wait()
}

// ready reports an RPC type of a service of which all backends are out, or nil.
func (r routes) ready(service string) error {
	for t, rt := range r[service] {
		if t != RPCUnknown && rt.backends.set.In() == 0 {
			return fmt.Errorf("no %s backend is healthy", RPCTypeName(t))
		}
	}
	return nil
}

// find returns the route of a request for service. A request/response type
// without a backend of its own goes to the default one, as poktroll does:
// many suppliers serve all of them at one URL.
func (r routes) find(service string, t RPCType) (*route, *Refusal) {
	byType, ok := r[service]
	if !ok {
		return nil, refuse(ReasonUnknownService, "no backend for service %q", service)
	}
	if found, ok := byType[t]; ok {
		return found, nil
	}
	if fallback := byType[RPCUnknown]; isHTTP(t) && isHTTP(fallback.rpcType) {
		return fallback, nil
	}
	return nil, refuse(ReasonUnsupportedTransport, "service %q has no %s backend", service, RPCTypeName(t))
}

// isHTTP reports whether t is spoken as plain HTTP requests and responses.
func isHTTP(t RPCType) bool { return t == RPCJSON || t == RPCREST || t == RPCComet }
