package pool

import (
	"strings"
	"sync/atomic"
)

// Why a member gets no requests. Several reasons may hold at once.
type Why uint32

// The reasons.
const (
	Failing   Why = 1 << iota // requests failed in a row
	Unhealthy                 // it does not pass its check
	Lagging                   // its head is behind that of the others
)

var whyNames = [...]string{"failing", "unhealthy", "lagging"}

// String names the reasons.
func (w Why) String() string {
	var names []string
	for i, name := range whyNames {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Result of a request, as far as it tells something about the member.
type Result uint8

// The results.
const (
	Unclear Result = iota // the request's fault, or nobody's
	Served
	Failed
)

// Member is one backend of a set.
type Member struct {
	Index int
	Name  string
	set   *Set

	pending  atomic.Int64
	judged   atomic.Uint32 // Unhealthy and Lagging
	failures atomic.Int32  // in a row
	// retryAt is when one request may try a failing member, in unix nanoseconds; 0
	// for one that does not fail.
	retryAt atomic.Int64
}

// Release gives a member back that Pick returned.
func (m *Member) Release() { m.pending.Add(-1) }

// Report notes how a request went, as soon as that is known.
func (m *Member) Report(r Result) {
	switch r {
	case Served:
		if m.failures.Load() != 0 {
			m.failures.Store(0)
		}
		if m.retryAt.Load() != 0 && m.retryAt.Swap(0) != 0 {
			m.set.opts.Changed(m, Failing, false)
		}
	case Failed:
		if int(m.failures.Add(1)) < m.set.opts.Failures {
			return
		}
		if m.retryAt.Swap(m.nextTry()) == 0 {
			m.set.opts.Changed(m, Failing, true)
		}
	}
}

func (m *Member) nextTry() int64 { return m.set.opts.Now().Add(m.set.opts.Recovery).UnixNano() }

// usable says whether the member may get a request. The clock is read for failing
// members only: it costs more than all the rest.
func (m *Member) usable() bool {
	if m.judged.Load() != 0 {
		return false
	}
	at := m.retryAt.Load()
	return at == 0 || m.set.opts.Now().UnixNano() >= at
}

// claim makes sure that one request alone tries a failing member.
func (m *Member) claim() bool {
	at := m.retryAt.Load()
	return at == 0 || m.retryAt.CompareAndSwap(at, m.nextTry())
}

// judge notes a verdict of a check.
func (m *Member) judge(why Why, out bool) {
	bit := uint32(why)
	if out && m.judged.Or(bit)&bit == 0 || !out && m.judged.And(^bit)&bit != 0 {
		m.set.opts.Changed(m, why, out)
	}
}

// Pending is the number of requests that the member has now.
func (m *Member) Pending() int64 { return m.pending.Load() }

// Out is why the member gets no requests; 0 when it does.
func (m *Member) Out() Why {
	why := Why(m.judged.Load())
	if m.retryAt.Load() != 0 {
		why |= Failing
	}
	return why
}
