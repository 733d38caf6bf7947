package pool

import (
	"math"
	"sync/atomic"
	"time"
)

// MaxMembers is how many members a set can have.
const MaxMembers = 64

// Options of a set.
type Options struct {
	RoundRobin bool          // instead of the member with the fewest requests pending
	Failures   int           // in a row that take a member out; at least 1
	Recovery   time.Duration // until one request may try a member that was taken out
	// Changed is told when a member goes out or comes in for a reason; nil for
	// nobody. It must not block.
	Changed func(m *Member, why Why, out bool)
	Now     func() time.Time // nil for the clock
}

// Set is backends of which any can serve any request. Its methods are safe for
// concurrent use.
type Set struct {
	opts    Options
	members []*Member
	turn    atomic.Uint32
}

// New makes a set of members by their names, at most MaxMembers.
func New(names []string, opts Options) *Set {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Changed == nil {
		opts.Changed = func(*Member, Why, bool) {}
	}
	s := &Set{opts: opts}
	for i, name := range names[:min(len(names), MaxMembers)] {
		s.members = append(s.members, &Member{Index: i, Name: name, set: s})
	}
	return s
}

// Tried is a set of members that a request does not go to again.
type Tried uint64

// With is t and m.
func (t Tried) With(m *Member) Tried { return t | 1<<m.Index }

func (t Tried) has(m *Member) bool { return t&(1<<m.Index) != 0 }

// Pick returns the member for the next request, or nil when all are out or tried.
// Every member that is returned must be given back with Release.
func (s *Set) Pick(tried Tried) *Member {
	for {
		m := s.choose(tried)
		if m == nil {
			return nil
		}
		if m.claim() {
			m.pending.Add(1)
			return m
		}
		tried = tried.With(m) // somebody else tries whether it is back
	}
}

// choose looks at the members in turn, so that equal ones share alike.
func (s *Set) choose(tried Tried) *Member {
	first := 0
	if n := len(s.members); n > 1 {
		first = int(s.turn.Add(1) % uint32(n))
	}
	var best *Member
	fewest := int64(math.MaxInt64)
	for _, part := range [...][]*Member{s.members[first:], s.members[:first]} {
		for _, m := range part {
			if tried.has(m) || !m.usable() {
				continue
			}
			pending := m.pending.Load()
			if s.opts.RoundRobin || pending == 0 {
				return m
			}
			if pending < fewest {
				best, fewest = m, pending
			}
		}
	}
	return best
}

// In counts the members that may get requests now.
func (s *Set) In() (n int) {
	for _, m := range s.members {
		if m.usable() {
			n++
		}
	}
	return n
}

// Members lists the members, by their index.
func (s *Set) Members() []*Member { return s.members }
