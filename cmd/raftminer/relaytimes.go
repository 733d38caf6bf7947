package main

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// millis is a duration as it is shown.
type millis float64

func since(t time.Time) millis { return millisOf(time.Since(t)) }

// millisOf rounds to microseconds.
func millisOf(d time.Duration) millis { return millis(d.Microseconds()) / 1000 }

// relayTimes is where the time of a relay went. Connecting is 0 on a connection that
// was open; total leaves out the signature and the check.
type relayTimes struct {
	Sign      millis `json:"sign_ms"`
	DNS       millis `json:"dns_ms"`
	Connect   millis `json:"connect_ms"`
	TLS       millis `json:"tls_ms"`
	FirstByte millis `json:"first_byte_ms"` // from the request's last byte
	Total     millis `json:"total_ms"`
	Check     millis `json:"check_ms"`
}

// tracer notes what net/http tells of a request. A connection that it opens may be
// finished after the request was served on another one.
type tracer struct {
	mu                      sync.Mutex
	times                   relayTimes
	dns, connect, tls, sent time.Time
}

func (t *tracer) begin(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = time.Now()
}

func (t *tracer) end(took *millis, from *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*took = since(*from)
}

func (t *tracer) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.begin(&t.dns) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.end(&t.times.DNS, &t.dns) },
		ConnectStart:         func(string, string) { t.begin(&t.connect) },
		ConnectDone:          func(string, string, error) { t.end(&t.times.Connect, &t.connect) },
		TLSHandshakeStart:    func() { t.begin(&t.tls) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.end(&t.times.TLS, &t.tls) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.begin(&t.sent) },
		GotFirstResponseByte: func() { t.end(&t.times.FirstByte, &t.sent) },
	})
}

// add puts what was noted so far into times.
func (t *tracer) add(times *relayTimes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	times.DNS, times.Connect, times.TLS, times.FirstByte = t.times.DNS, t.times.Connect, t.times.TLS, t.times.FirstByte
}
