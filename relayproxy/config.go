package relayproxy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// Config is what a relay server serves.
type Config struct {
	Services map[string]Service
	// OverServicing serves, and does not mine, what is over an application's budget.
	OverServicing bool
	Limits        Limits
	Simulation    Simulation
	// AllowedOrigins are the pages that browsers let send relays; "*" is any.
	AllowedOrigins []string
	// TrustedProxies are balancers that may say for whom they connect.
	TrustedProxies []netip.Prefix
}

// Service is one on-chain service and where its requests go.
type Service struct {
	Backends             map[RPCType]Pool
	DefaultBackend       RPCType       // of requests without an Rpc-Type header; RPCUnknown means JSON-RPC
	Timeout              time.Duration // from the arrival of a request to the backend's last byte; 0 means DefaultTimeout
	MaxRequestBody       int           // bytes of the serialized RelayRequest; 0 means DefaultMaxRequestBody
	MaxResponseBody      int           // bytes of the backend's body; 0 means DefaultMaxResponseBody
	Rate                 Rate          // of all its relays
	ForwardPocketHeaders bool          // tell the backend who asks, in Pocket-* headers
}

// Defaults of Service. PATH gives up after 10 s, so a backend gets 9.
const (
	DefaultTimeout         = 9 * time.Second
	DefaultMaxRequestBody  = 20_000_000
	DefaultMaxResponseBody = 100_000_000
)

func (s Service) withDefaults() Service {
	if s.DefaultBackend == RPCUnknown {
		s.DefaultBackend = RPCJSON
	}
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	if s.MaxRequestBody <= 0 {
		s.MaxRequestBody = DefaultMaxRequestBody
	}
	if s.MaxResponseBody <= 0 {
		s.MaxResponseBody = DefaultMaxResponseBody
	}
	return s
}

// withDefaults returns c completed, or says what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	out := c
	out.Services = make(map[string]Service, len(c.Services))
	for _, id := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[id].withDefaults()
		if len(s.Backends) == 0 {
			return Config{}, fmt.Errorf("service %s has no backend", id)
		}
		for t, backends := range s.Backends {
			if RPCTypeName(t) == "unknown" {
				return Config{}, fmt.Errorf("service %s has a backend of RPC type %d, which does not exist", id, t)
			}
			if n := len(backends.Backends); n == 0 || n > pool.MaxMembers {
				return Config{}, fmt.Errorf("service %s has %d %s backends, must be from 1 to %d", id, n, RPCTypeName(t), pool.MaxMembers)
			}
		}
		out.Services[id] = s
	}
	if len(out.Services) == 0 {
		return Config{}, fmt.Errorf("no service is configured")
	}
	return out, nil
}

// maxRequestBody is the largest request any service takes. A request's service
// is known only once it is read.
func (c Config) maxRequestBody() int {
	limit := 0
	for _, s := range c.Services {
		limit = max(limit, s.MaxRequestBody)
	}
	return limit
}
