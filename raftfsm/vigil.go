package raftfsm

import "time"

const (
	// steadyFor is how long a voter has to be well before it is given partitions:
	// one that comes and goes would have them moved all the time.
	steadyFor = 5 * time.Second
	// poorPatience is how long one keeps them that cannot work on them.
	poorPatience = 2 * time.Second
)

// sighting is what a leader sees of a voter.
type sighting struct {
	id      string
	seen    time.Time // its last answer
	drained bool
	poor    bool // misses what a holder needs, or its log is far behind
}

// vigil tells which voters are fit to hold partitions. It is quick to give up those
// that are silent, and slow to trust.
type vigil struct {
	began  time.Time
	silent time.Duration // a voter that was not heard of for longer is lost
	voters map[string]*watched
}

// watched is a voter, and since when it has looked otherwise.
type watched struct {
	fit   bool
	since time.Time // zero while it looks as it is taken for
}

// newVigil takes those for fit that are named.
func newVigil(began time.Time, silent time.Duration, fit []string) *vigil {
	v := &vigil{began: began, silent: silent, voters: make(map[string]*watched)}
	for _, id := range fit {
		v.voters[id] = &watched{fit: true}
	}
	return v
}

// fit are the ids of those that are, in the order of all voters given.
func (v *vigil) fit(now time.Time, voters []sighting) (fit []string) {
	after := make(map[string]*watched, len(voters))
	for _, s := range voters {
		w := v.voters[s.id]
		if w == nil {
			w = &watched{}
		}
		after[s.id] = w
		w.look(now, v.lost(now, s), s.poor)
		if w.fit {
			fit = append(fit, s.id)
		}
	}
	v.voters = after
	return fit
}

// lost is the verdict that waits for nothing. What was heard before this vigil began
// was said to another leader, or long ago.
func (v *vigil) lost(now time.Time, s sighting) bool {
	last := s.seen
	if last.Before(v.began) {
		last = v.began
	}
	return s.drained || now.Sub(last) > v.silent
}

func (w *watched) look(now time.Time, lost, poor bool) {
	well, patience := !lost && !poor, poorPatience
	if well {
		patience = steadyFor
	}
	switch {
	case lost:
		w.fit, w.since = false, time.Time{}
	case well == w.fit:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	case now.Sub(w.since) >= patience:
		w.fit, w.since = well, time.Time{}
	}
}
