package relayproxy

import (
	"fmt"
)

// route is a service, one of its backends, and their metrics.
type route struct {
	service  string
	rpcType  RPCType
	limits   Service
	upstream *upstream
	metrics  routeMetrics
}

// routes finds the route of a request.
type routes map[string]map[RPCType]*route

func newRoutes(cfg Config, m *metrics) (routes, error) {
	out := make(routes, len(cfg.Services))
	for id, service := range cfg.Services {
		byType := make(map[RPCType]*route, len(service.Backends))
		for rpcType, backend := range service.Backends {
			up, err := newUpstream(rpcType, backend, service)
			if err != nil {
				return nil, fmt.Errorf("service %s, %s backend: %w", id, RPCTypeName(rpcType), err)
			}
			byType[rpcType] = &route{service: id, rpcType: rpcType, limits: service, upstream: up, metrics: m.route(id, rpcType)}
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
