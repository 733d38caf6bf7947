package relayproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// backends are the upstreams of a route, and the order in which they are asked.
type backends struct {
	set         *pool.Set
	all         []*upstream // by the index of their member
	retries     int
	retryUnsafe bool
	health      *HealthCheck
	freshness   *Freshness
}

func newBackends(rpcType RPCType, p Pool, s Service, changed func(m *pool.Member, why pool.Why, out bool)) (*backends, error) {
	b := &backends{retries: p.Retries, retryUnsafe: p.RetryUnsafe, health: p.Health, freshness: p.Freshness}
	var names []string
	taken := make(map[string]int)
	for _, backend := range p.Backends {
		up, err := newUpstream(rpcType, backend, s)
		if err != nil {
			return nil, err
		}
		name := backend.Name
		if name == "" {
			name = up.host
		}
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, taken[name])
		}
		names, b.all = append(names, name), append(b.all, up)
	}
	if p.Failures <= 0 {
		p.Failures = DefaultFailures
	}
	if p.Recovery <= 0 {
		p.Recovery = DefaultRecovery
	}
	b.set = pool.New(names, pool.Options{
		RoundRobin: p.RoundRobin, Failures: p.Failures, Recovery: p.Recovery, Changed: changed,
	})
	return b, nil
}

// attempt is what came of asking one backend.
type attempt struct {
	refusal *Refusal // nil when it answered
	result  pool.Result
	again   bool // the relay had no effect there, so another backend may be asked
}

// ask lets do ask one backend after another until one answers or asking again
// would not be safe. It returns the member that answered, which the caller must
// release. When all are out, the relay is refused at once.
func (b *backends) ask(retried func(), do func(u *upstream) attempt) (*pool.Member, *Refusal) {
	var tried pool.Tried
	var last *Refusal
	for n := 0; ; n++ {
		m := b.set.Pick(tried)
		if m == nil && last == nil {
			return nil, refuse(ReasonBackendsOut, "no backend of this service is healthy")
		}
		if m == nil {
			return nil, last
		}
		if n > 0 {
			retried()
		}
		a := do(b.all[m.Index])
		m.Report(a.result)
		if a.refusal == nil {
			return m, nil
		}
		m.Release()
		if last = a.refusal; n >= b.retries || !a.again && !b.retryUnsafe {
			return nil, last
		}
		tried = tried.With(m)
	}
}

// failedAttempt is what an error of a backend means. A read may be sent again.
func failedAttempt(err error, read bool) attempt {
	o := outcomeOf(err)
	if refusal := new(Refusal); errors.As(err, &refusal) { // ours: there is no room
		return attempt{refusal: refusal, result: pool.Unclear}
	}
	a := attempt{refusal: refuseFor(o.reason(), err, o.detail()), result: pool.Failed}
	switch {
	case o == outcomeCancelled, o == outcomeTooLarge: // the client left, or asked for too much
		a.result = pool.Unclear
	case o == outcomeUnreachable:
		a.again = read || notSent(err)
	}
	return a
}

// notSent reports whether an error came before the first byte was sent.
func notSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) ||
		errors.Is(err, fasthttp.ErrDialTimeout) || errors.Is(err, fasthttp.ErrNoFreeConns)
}

// resultOf judges a backend by the status of its answer: these are what a node's
// proxy says when the node is away. Others may be the client's doing.
func resultOf(status int) pool.Result {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return pool.Failed
	}
	return pool.Served
}

// watch runs the checks until ctx ends.
func (b *backends) watch(ctx context.Context) {
	var wg sync.WaitGroup
	if h := b.health; h != nil {
		wg.Go(func() {
			b.set.RunCheck(ctx, pool.Check{
				Interval: h.Interval, Timeout: h.Timeout, Failures: h.Failures, Successes: h.Successes,
				Ask: func(ctx context.Context, m *pool.Member) error { return b.all[m.Index].check(ctx, h) },
			})
		})
	}
	if f := b.freshness; f != nil {
		wg.Go(func() {
			b.set.RunFreshness(ctx, pool.Freshness{
				Interval: f.Interval, Timeout: f.Timeout, MaxLag: f.MaxLag,
				Head: func(ctx context.Context, m *pool.Member) (uint64, error) { return b.all[m.Index].head(ctx, f) },
			})
		})
	}
	wg.Wait()
}
