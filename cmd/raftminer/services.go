package main

import (
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/relayproxy"
)

// serviceConfig is what the relay server serves.
func serviceConfig(cfg *config.Config) relayproxy.Config {
	out := relayproxy.Config{
		Services: make(map[string]relayproxy.Service), OverServicing: cfg.Relayer.RelayMeter.OverServicing,
		Limits: limits(cfg.Relayer.Limits), Simulation: simulation(cfg.Relayer.Simulation),
		AllowedOrigins: cfg.Relayer.CORS.AllowedOrigins,
		TrustedProxies: cfg.Relayer.TrustedProxies(),
	}
	for id, s := range cfg.Services {
		service := relayproxy.Service{
			Backends: make(map[relayproxy.RPCType]relayproxy.Pool), DefaultBackend: rpcType(s.DefaultBackend),
			Timeout: s.Timeout, MaxRequestBody: int(s.MaxRequestBody), MaxResponseBody: int(s.MaxResponseBody),
			ForwardPocketHeaders: s.ForwardPocketHeaders, Rate: relayproxy.Rate(s.Rate),
		}
		for name, b := range s.Backends {
			service.Backends[rpcType(name)] = backendPool(b)
		}
		out.Services[id] = service
	}
	return out
}

func backendPool(b config.Backend) relayproxy.Pool {
	pool := relayproxy.Pool{
		RoundRobin: b.LoadBalancing == config.RoundRobin, Retries: b.MaxRetries, RetryUnsafe: b.RetryUnsafe,
		Failures: b.MaxFailures, Recovery: b.Recovery,
	}
	for _, u := range b.Upstreams() {
		pool.Backends = append(pool.Backends, relayproxy.Backend{
			Name: u.Name, URL: u.URL, Headers: u.Headers, Authorization: authorization(u.Authentication),
		})
	}
	if h := b.HealthCheck; h.Enabled {
		pool.Health = &relayproxy.HealthCheck{
			Method: h.Method, Path: h.Endpoint, Body: h.RequestBody, ContentType: h.ContentType, Headers: h.Headers,
			Statuses: h.Statuses, Expect: h.Expected, Interval: h.Interval, Timeout: h.Timeout, Failures: h.Unhealthy, Successes: h.Healthy,
		}
	}
	if f := b.Freshness; f.Enabled() {
		pool.Freshness = &relayproxy.Freshness{
			RPCMethod: f.RPCMethod, Path: f.Path, Field: f.Field, MaxLag: f.MaxLag, Interval: f.Interval, Timeout: f.Timeout,
		}
	}
	return pool
}

// authorization is the value of that header, "" for none.
func authorization(a config.Authentication) string {
	switch {
	case a.BearerToken != "":
		return "Bearer " + a.BearerToken.Reveal()
	case a.PlainToken != "":
		return a.PlainToken.Reveal()
	case a.Username != "" || a.Password != "":
		return relayproxy.BasicAuth(a.Username, a.Password.Reveal())
	}
	return ""
}

// rpcType is the type of a name that the configuration has validated.
func rpcType(name string) relayproxy.RPCType {
	t, _ := relayproxy.ParseRPCType(name)
	return t
}

func limits(l config.Limits) relayproxy.Limits {
	return relayproxy.Limits{
		MaxConcurrent: l.MaxConcurrent, MaxMemory: int(l.MaxMemory),
		Rate: relayproxy.Rate(l.Rate), PerApplication: relayproxy.Rate(l.PerApplication),
		MaxConnections: l.MaxConnections, MaxConnectionsPerAddress: l.MaxPerAddress, MaxWebSockets: l.MaxWebSockets, ReadTimeout: l.ReadTimeout,
	}
}
