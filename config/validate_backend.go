package config

import (
	"fmt"

	"golang.org/x/net/http/httpguts"
)

// maxUpstreams is how many backends one RPC type of a service can have.
const maxUpstreams = 64

func (v *validator) backend(at, name string, b Backend) {
	types := protocolTypes()
	schemes, known := types[name]
	if !known {
		v.bad(at, "no such RPC type%s", didYouMean(name, sortedKeys(types)))
		return
	}
	v.url(at+".url", b.URL, schemes...)
	v.upstreams(at, b, schemes)
	v.oneOf(at+".load_balancing", b.LoadBalancing, LeastPending, RoundRobin)
	v.headers(at+".headers", b.Headers)
	v.authentication(at+".authentication", b.Authentication)
	if b.MaxRetries < 0 {
		v.bad(at+".max_retries", "must not be negative")
	}
	if b.MaxFailures < 1 {
		v.bad(at+".max_failures", "must be positive")
	}
	if b.Recovery <= 0 {
		v.bad(at+".recovery_timeout", "must be positive")
	}
	v.healthCheck(at+".health_check", b.HealthCheck)
	v.freshness(at+".freshness", name, b)
}

func (v *validator) upstreams(at string, b Backend, schemes []string) {
	switch n := len(b.URLs); {
	case n == 0 && b.URL == "":
		v.bad(at+".url", "is required, or urls")
	case n > 0 && b.URL != "":
		v.bad(at+".url", "is there beside urls: one of them")
	case n > maxUpstreams:
		v.bad(at+".urls", "has %d backends, at most %d are taken", n, maxUpstreams)
	}
	names := make(map[string]bool)
	for i, u := range b.URLs {
		one := fmt.Sprintf("%s.urls[%d]", at, i)
		if u.URL == "" {
			v.bad(one+".url", "is required")
		}
		v.url(one+".url", u.URL, schemes...)
		v.headers(one+".headers", u.Headers)
		v.authentication(one+".authentication", u.Authentication)
		if u.Name != "" && names[u.Name] {
			v.bad(one+".name", "%q is there twice", u.Name)
		}
		names[u.Name] = true
	}
}

func (v *validator) headers(at string, headers Headers) {
	for _, header := range sortedKeys(headers) {
		if !httpguts.ValidHeaderFieldName(header) || !httpguts.ValidHeaderFieldValue(headers[header]) {
			v.bad(at+"."+header, "is not an HTTP header")
		}
	}
}

func (v *validator) authentication(at string, a Authentication) {
	if a.kinds() > 1 {
		v.bad(at, "has more than one of username and password, bearer_token, plain_token")
	}
}

func (v *validator) healthCheck(at string, h HealthCheck) {
	asked := h.Endpoint != "" || h.Method != "" || h.RequestBody != "" || h.Expected != "" || len(h.Statuses) > 0 || len(h.Headers) > 0
	if asked && !h.Enabled {
		v.bad(at, "has no effect: enabled is not true")
	}
	if h.Method != "" && !httpguts.ValidHeaderFieldName(h.Method) {
		v.bad(at+".method", "is not an HTTP method")
	}
	for i, status := range h.Statuses {
		if status < 100 || status > 599 {
			v.bad(fmt.Sprintf("%s.expected_status[%d]", at, i), "%d is not an HTTP status", status)
		}
	}
	v.headers(at+".headers", h.Headers)
	if h.Interval <= 0 {
		v.bad(at+".interval", "must be positive")
	}
	if h.Timeout <= 0 {
		v.bad(at+".timeout", "must be positive")
	}
	if h.Unhealthy < 1 {
		v.bad(at+".unhealthy_threshold", "must be positive")
	}
	if h.Healthy < 1 {
		v.bad(at+".healthy_threshold", "must be positive")
	}
}

// freshness needs others to compare with, and plain HTTP to ask over.
func (v *validator) freshness(at, name string, b Backend) {
	f := b.Freshness
	switch {
	case !f.Enabled():
		return
	case f.RPCMethod != "" && f.Path != "":
		v.bad(at+".path", "is there beside rpc_method: one of them")
	case name == "grpc" || name == "websocket":
		v.bad(at, "is not for %s backends", name)
	case len(b.URLs) < 2:
		v.bad(at, "has no effect: there is nothing to compare a single backend with")
	}
	if f.Field == "" {
		v.bad(at+".field", "is required")
	}
	if f.Interval <= 0 {
		v.bad(at+".interval", "must be positive")
	}
	if f.Timeout <= 0 {
		v.bad(at+".timeout", "must be positive")
	}
}
