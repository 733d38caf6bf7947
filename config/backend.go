package config

import (
	"maps"
	"time"
)

// Backend is the backends of one RPC type of a service: one by its url, or several
// of which any can serve any relay.
type Backend struct {
	URL            string         `yaml:"url" doc:"scheme, host and base path of the only backend; one of url and urls is required"`
	URLs           []Upstream     `yaml:"urls"`
	LoadBalancing  string         `yaml:"load_balancing" doc:"which of several is next: least_pending or round_robin"`
	MaxRetries     int            `yaml:"max_retries" doc:"other backends that a relay may go to when it had no effect at one: nothing was sent, or it is a GET or HEAD"`
	RetryUnsafe    bool           `yaml:"retry_unsafe" doc:"also when one may have seen it: a transaction may then be sent twice"`
	MaxFailures    int            `yaml:"max_failures" doc:"failures in a row (no answer, or 502, 503, 504) that take a backend out"`
	Recovery       time.Duration  `yaml:"recovery_timeout" alias:"recovery_timeout_seconds" doc:"until one relay may try it again"`
	Headers        Headers        `yaml:"headers" doc:"set on every request to the backend"`
	Authentication Authentication `yaml:"authentication"`
	HealthCheck    HealthCheck    `yaml:"health_check"`
	Freshness      Freshness      `yaml:"freshness"`
}

// Upstream is one of several backends; a text alone is its URL.
type Upstream struct {
	Name           string         `yaml:"name" doc:"label in metrics and logs; default: the host"`
	URL            string         `yaml:"url" short:"yes" doc:"scheme, host and base path; a list of texts is a list of these"`
	Headers        Headers        `yaml:"headers" doc:"set on every request to this one, over those of all"`
	Authentication Authentication `yaml:"authentication"`
}

// Authentication is what the Authorization header says.
type Authentication struct {
	Username    string `yaml:"username" doc:"basic authentication user"`
	Password    Secret `yaml:"password" doc:"basic authentication password"`
	BearerToken Secret `yaml:"bearer_token" doc:"sent after the word Bearer"`
	PlainToken  Secret `yaml:"plain_token" doc:"sent as it is"`
}

// kinds counts the kinds of authentication that are there.
func (a Authentication) kinds() (n int) {
	for _, is := range []bool{a.Username != "" || a.Password != "", a.BearerToken != "", a.PlainToken != ""} {
		if is {
			n++
		}
	}
	return n
}

// HealthCheck asks every backend from time to time.
type HealthCheck struct {
	Enabled     bool          `yaml:"enabled" doc:"ask every backend from time to time: an HTTP request, a WebSocket handshake and frame, or the health service of gRPC"`
	Endpoint    string        `yaml:"endpoint" doc:"path below the backend's; with gRPC the service to ask for"`
	Method      string        `yaml:"method" doc:"HTTP method; default: POST with a body and GET without"`
	RequestBody string        `yaml:"request_body" doc:"body, or the frame to send on a WebSocket"`
	ContentType string        `yaml:"content_type" doc:"of the body"`
	Expected    string        `yaml:"expected_body" doc:"text that the answer must have in it"`
	Statuses    []int         `yaml:"expected_status" doc:"HTTP statuses that pass; default: 200 to 299"`
	Headers     Headers       `yaml:"headers" doc:"set on the check, besides those of the backend"`
	Interval    time.Duration `yaml:"interval" alias:"interval_seconds" doc:"between two checks of a backend"`
	Timeout     time.Duration `yaml:"timeout" alias:"timeout_seconds" doc:"of a check"`
	Unhealthy   int           `yaml:"unhealthy_threshold" doc:"checks in a row that must fail to take a backend out; the first one after the start does it alone"`
	Healthy     int           `yaml:"healthy_threshold" doc:"checks in a row that must pass to bring it back"`
}

// Freshness compares the newest blocks of several backends.
type Freshness struct {
	RPCMethod string        `yaml:"rpc_method" doc:"JSON-RPC method that tells the newest block, such as eth_blockNumber"`
	Path      string        `yaml:"path" doc:"or a path to GET, such as /status"`
	Field     string        `yaml:"field" doc:"where the answer has it, such as result.sync_info.latest_block_height; a number, in decimal or with 0x"`
	MaxLag    uint64        `yaml:"max_lag" doc:"a backend further behind the middle of all is taken out"`
	Interval  time.Duration `yaml:"interval" doc:"between two comparisons"`
	Timeout   time.Duration `yaml:"timeout" doc:"of one"`
}

// Enabled says that newest blocks are compared.
func (f Freshness) Enabled() bool { return f.RPCMethod != "" || f.Path != "" }

// The ways to pick one of several backends.
const (
	LeastPending = "least_pending"
	RoundRobin   = "round_robin"
)

func (b *Backend) setDefaults() {
	b.LoadBalancing = LeastPending
	b.MaxRetries = 1
	b.MaxFailures = 5
	b.Recovery = 5 * time.Second
	b.HealthCheck = HealthCheck{Interval: 10 * time.Second, Timeout: 3 * time.Second, Unhealthy: 3, Healthy: 2}
	b.Freshness = Freshness{Field: "result", MaxLag: 10, Interval: 10 * time.Second, Timeout: 3 * time.Second}
}

// Upstreams are the backends, each with what was said for all of them.
func (b Backend) Upstreams() []Upstream {
	if len(b.URLs) == 0 {
		return []Upstream{{URL: b.URL, Headers: b.Headers, Authentication: b.Authentication}}
	}
	var out []Upstream
	for _, u := range b.URLs {
		headers := make(Headers)
		for _, source := range []Headers{b.Headers, u.Headers} {
			maps.Copy(headers, source)
		}
		if u.Headers = headers; u.Authentication.kinds() == 0 {
			u.Authentication = b.Authentication
		}
		out = append(out, u)
	}
	return out
}
