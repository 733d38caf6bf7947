package config

import (
	"fmt"
	"net/url"
)

// defaultBackend serves requests that name no RPC type.
const defaultBackend = "jsonrpc"

// protocolTypes are the RPC types that suppliers can stake with, and the URL
// schemes of their backends.
func protocolTypes() map[string][]string {
	web := []string{"http", "https"}
	return map[string][]string{
		"jsonrpc": web, "rest": web, "cometbft": web, "grpc": web, "websocket": {"ws", "wss"},
	}
}

func (v *validator) relayer() {
	v.required("relayer", v.cfg.Relayer)
	v.ports()
	if spool := v.cfg.Relayer.Spool; spool.MaxBytes == 0 && spool.Dir != "" {
		v.bad("relayer.spool.dir", "has no effect: max_bytes is 0")
	}
	if v.cfg.Relayer.Drain.Grace < 0 {
		v.bad("relayer.drain.grace", "must not be negative")
	}
	if v.cfg.Relayer.Drain.Timeout <= 0 {
		v.bad("relayer.drain.timeout", "must be positive")
	}
	if v.cfg.Relayer.RelayMeter.RedisGrace < 0 {
		v.bad("relayer.relay_meter.redis_grace", "must not be negative")
	}
	if v.cfg.Relayer.RelayMeter.MaxLease < 1 {
		v.bad("relayer.relay_meter.max_lease", "must be positive")
	}
	v.limits("relayer.limits", v.cfg.Relayer.Limits)
	v.simulation("relayer.simulation", v.cfg.Relayer.Simulation)
	v.origins("relayer.cors.allowed_origins", v.cfg.Relayer.CORS.AllowedOrigins)
	for i, network := range v.cfg.Relayer.Proxies {
		if _, err := parseNetwork(network); err != nil {
			v.bad(fmt.Sprintf("relayer.trusted_proxies[%d]", i), "%q must be an address or a network such as 10.0.0.0/8", network)
		}
	}
	if len(v.cfg.Services) == 0 {
		v.bad("services", "a relayer needs at least one service")
	}
	for _, id := range sortedKeys(v.cfg.Services) {
		v.service("services."+id, v.cfg.Services[id])
	}
}

func (v *validator) limits(at string, l Limits) {
	if l.MaxConcurrent < 1 {
		v.bad(at+".max_concurrent", "must be positive")
	}
	if l.MaxMemory == 0 {
		v.bad(at+".max_memory", "must be positive")
	}
	if l.MaxConnections < 1 {
		v.bad(at+".max_connections", "must be positive")
	}
	if l.MaxPerAddress < 0 {
		v.bad(at+".max_connections_per_address", "must not be negative")
	}
	if l.MaxWebSockets < 1 {
		v.bad(at+".max_websockets", "must be positive")
	}
	if l.ReadTimeout <= 0 {
		v.bad(at+".read_timeout", "must be positive")
	}
	v.rate(at+".rate", l.Rate)
	v.rate(at+".per_application", l.PerApplication)
}

// origins are compared with what browsers send: a scheme and a host, with the port if
// it is not the scheme's.
func (v *validator) origins(at string, origins []string) {
	for i, origin := range origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			v.bad(fmt.Sprintf("%s[%d]", at, i), "%q must be '*' or an origin such as https://app.example, without a path", origin)
		}
	}
}

func (v *validator) rate(at string, r Rate) {
	if r.PerSecond < 0 {
		v.bad(at+".per_second", "must not be negative")
	}
	if r.Burst < 0 {
		v.bad(at+".burst", "must not be negative")
	}
	if r.Burst > 0 && r.PerSecond == 0 {
		v.bad(at+".burst", "has no effect: per_second is 0")
	}
}

func (v *validator) service(at string, s Service) {
	v.required(at, s)
	for _, name := range sortedKeys(s.Backends) {
		v.backend(at+".backends."+name, name, s.Backends[name])
	}
	v.defaultBackend(at+".default_backend", s)
	v.rate(at+".rate", s.Rate)
	if s.Timeout <= 0 {
		v.bad(at+".timeout", "must be positive")
	}
	if s.MaxRequestBody == 0 {
		v.bad(at+".max_request_body", "must be positive")
	}
	if s.MaxResponseBody == 0 {
		v.bad(at+".max_response_body", "must be positive")
	}
}

// defaultBackend checks the backend of requests that name no RPC type.
func (v *validator) defaultBackend(path string, s Service) {
	switch _, ok := s.Backends[s.DefaultBackend]; {
	case ok || len(s.Backends) == 0:
	case s.DefaultBackend == "":
		v.bad(path, "is required: several backends, and none is %s", defaultBackend)
	default:
		v.bad(path, "%q has no backend%s", s.DefaultBackend, didYouMean(s.DefaultBackend, sortedKeys(s.Backends)))
	}
}
