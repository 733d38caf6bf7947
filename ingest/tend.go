package ingest

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	tendInterval = time.Second
	// defaultTreeMemory is some 2 million relays in live sessions.
	defaultTreeMemory = 512 << 20
)

// tend keeps the memory of trees within its bound, and the gauges current.
func (o *Owner) tend(ctx context.Context) {
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	for {
		o.observe(time.Now())
		o.shed(cmp.Or(o.opts.TreeMemory, defaultTreeMemory))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (o *Owner) observe(now time.Time) {
	var active, pending, memory int
	var delay time.Duration
	for _, p := range o.parts {
		p.mu.Lock()
		for _, s := range p.sessions {
			if !s.head.Sealed {
				active++
			}
			memory += s.tree.Bytes()
		}
		pending += p.pending
		if p.pending > 0 {
			delay = max(delay, now.Sub(time.UnixMilli(int64(p.oldest))))
		}
		p.mu.Unlock()
	}
	o.observeHeld()
	o.metrics.trees.Set(float64(active))
	o.metrics.lag.Set(float64(pending))
	o.metrics.delay.Set(delay.Seconds())
	o.metrics.memory.Set(float64(memory))
}

// resident is a tree in memory.
type resident struct {
	partition *partition
	session   *session
	bytes     int
	idle      uint64 // flushes of its partition since a relay came
}

// shed drops the trees that were used least lately until the others fit into
// bound. What they hold is stored, and is read again when a relay comes.
func (o *Owner) shed(bound int) {
	residents, total := o.residents()
	if total <= bound {
		return
	}
	slices.SortFunc(residents, func(a, b resident) int {
		return cmp.Or(cmp.Compare(b.idle, a.idle), cmp.Compare(b.bytes, a.bytes), a.session.head.Ref.Key().Compare(b.session.head.Ref.Key()))
	})
	for _, r := range residents {
		if total <= bound {
			return
		}
		r.partition.mu.Lock()
		r.session.tree.Shed()
		left := r.session.tree.Bytes()
		r.partition.mu.Unlock()
		total -= r.bytes - left
		o.metrics.shed.Inc()
	}
}

func (o *Owner) residents() (residents []resident, total int) {
	for _, p := range o.parts {
		p.mu.Lock()
		for _, s := range p.sessions {
			n := s.tree.Bytes()
			total += n
			residents = append(residents, resident{partition: p, session: s, bytes: n, idle: p.flushes - s.used})
		}
		p.mu.Unlock()
	}
	return residents, total
}
