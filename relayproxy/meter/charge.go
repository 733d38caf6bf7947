package meter

// Charge is one relay that is being served. Whichever of Commit and Refund comes
// first stands. The zero value charges nobody. It must not be copied once another
// goroutine knows it.
type Charge struct {
	session *session
	settled bool // guarded by the session's lock
}

// Commit says that the relay was served and counts.
func (c *Charge) Commit() {
	if c.settle(true) {
		c.session.meter.metrics.committed.Inc()
	}
}

// Refund says that the relay was not served, or does not count.
func (c *Charge) Refund() {
	if c.settle(false) {
		c.session.meter.metrics.refunded.Inc()
	}
}

// Open reports whether the relay is still reserved.
func (c *Charge) Open() bool {
	if c.session == nil {
		return false
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return !c.settled
}

func (c *Charge) settle(served bool) bool {
	s := c.session
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.settled {
		return false
	}
	c.settled = true
	s.flying--
	if served {
		s.used++
	} else {
		s.free++
	}
	return true
}
