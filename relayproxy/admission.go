package relayproxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits of a relayer, over all transports. 0 stands for the default; a Rate of 0
// does not limit.
type Limits struct {
	MaxConcurrent  int // relays in flight
	MaxMemory      int // bytes of their requests and answers
	Rate           Rate
	PerApplication Rate

	MaxConnections           int // of clients, also idle ones
	MaxConnectionsPerAddress int // 0: as many as there may be
	MaxWebSockets            int // of clients; each has a backend's beside it

	ReadTimeout time.Duration // for a whole request to come, on every transport
}

// DefaultReadTimeout is for clients far away: a slow sender holds memory no longer.
const DefaultReadTimeout = 30 * time.Second

func (l Limits) readTimeout() time.Duration {
	if l.ReadTimeout <= 0 {
		return DefaultReadTimeout
	}
	return l.ReadTimeout
}

// Defaults of Limits, generous: they are there to keep a flood from taking all memory.
const (
	DefaultMaxConcurrent = 20_000
	DefaultMaxMemory     = 1 << 30

	DefaultMaxConnections = 20_000
	DefaultMaxWebSockets  = 10_000
)

const (
	// maxVerifying bounds the signatures that wait for a CPU: some 50 ms of work for
	// two of them. More only makes those in front late.
	maxVerifying = 1024
	// maxAwaiting bounds the relays that wait for the block in which their session
	// starts.
	maxAwaiting = 4096
)

// admission bounds what is in flight. What it refuses has cost nothing: it is asked
// before a request is decoded. It is safe for concurrent use.
type admission struct {
	maxConcurrent, maxMemory int64

	relays, bytes                 atomic.Int64
	verifying, awaiting, arriving turns
}

func newAdmission(l Limits, reg prometheus.Registerer) (*admission, error) {
	a := &admission{maxConcurrent: int64(l.MaxConcurrent), maxMemory: int64(l.MaxMemory)}
	a.verifying.most, a.awaiting.most = maxVerifying, maxAwaiting
	if a.maxConcurrent <= 0 {
		a.maxConcurrent = DefaultMaxConcurrent
	}
	a.arriving.most = a.maxConcurrent
	if a.maxMemory <= 0 {
		a.maxMemory = DefaultMaxMemory
	}
	for name, gauge := range map[string]struct {
		help  string
		value *atomic.Int64
	}{
		"relays_in_flight": {"Relays that are being served.", &a.relays},
		"in_flight_bytes":  {"Bytes of requests and answers of relays in flight.", &a.bytes},
	} {
		if err := reg.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "ha_relayer", Name: name, Help: gauge.help},
			func() float64 { return float64(gauge.value.Load()) })); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// full reports whether a load balancer should send relays elsewhere.
func (a *admission) full() bool {
	return 10*a.relays.Load() > 9*a.maxConcurrent || 10*a.bytes.Load() > 9*a.maxMemory
}

// turns lets so many in at a time, and nobody wait.
type turns struct {
	taken atomic.Int64
	most  int64
}

func (t *turns) take() bool {
	if t.taken.Add(1) > t.most {
		t.taken.Add(-1)
		return false
	}
	return true
}

func (t *turns) give() { t.taken.Add(-1) }
