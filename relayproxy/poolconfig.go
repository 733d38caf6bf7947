package relayproxy

import (
	"encoding/base64"
	"time"
)

// Pool is the backends of one RPC type of a service. Any of them can serve any
// relay.
type Pool struct {
	Backends   []Backend
	RoundRobin bool // instead of the backend with the fewest requests pending
	// Retries is how many other backends a relay may be sent to when it certainly
	// had no effect: nothing was sent, or it is a GET or HEAD.
	Retries int
	// RetryUnsafe lets also those be sent again that a backend may have seen. A
	// transaction may then be sent twice.
	RetryUnsafe bool
	Failures    int           // in a row that take a backend out; 0 means DefaultFailures
	Recovery    time.Duration // until one relay may try it again; 0 means DefaultRecovery
	Health      *HealthCheck  // nil for none
	Freshness   *Freshness    // nil for none
}

// Defaults of Pool.
const (
	DefaultFailures = 5
	DefaultRecovery = 5 * time.Second
)

// Backend is one upstream.
type Backend struct {
	Name    string            // label in metrics; "" means the URL's host
	URL     string            // scheme, host, optional base path and query
	Headers map[string]string // set on every request, over what the client sent
	// Authorization is the value of that header, as BasicAuth makes it; "" sends
	// what Headers say.
	Authorization string
}

// BasicAuth is the Authorization of a user.
func BasicAuth(username, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}

// HealthCheck asks a backend whether it is well: an HTTP request, a WebSocket
// handshake and, with a body, a frame; or the health service of gRPC, whose service
// name is the path.
type HealthCheck struct {
	Method      string // "" means POST with a body and GET without
	Path        string
	Body        string
	ContentType string
	Headers     map[string]string
	Statuses    []int  // none means 200 to 299
	Expect      string // must be in the answer
	Interval    time.Duration
	Timeout     time.Duration
	Failures    int // in a row that take a backend out
	Successes   int // in a row that bring it back
}

// Freshness takes out backends whose newest block is more than MaxLag behind that
// of the others.
type Freshness struct {
	RPCMethod string // JSON-RPC method that tells it; or
	Path      string // what to GET
	Field     string // of the answer, with dots between names; a number or text, also in hex
	MaxLag    uint64
	Interval  time.Duration
	Timeout   time.Duration
}
