package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// leaf is a relay that fits its session.
type leaf struct {
	session *session
	digest  sessiontree.Digest
	relay   []byte
	weight  uint64
}

// take adds entries to the trees, and flushes whenever enough has come
// together. Entries that were taken before are skipped.
func (p *partition) take(ctx context.Context, entries []redis.XMessage) error {
	for len(entries) > 0 {
		n, err := p.takeSome(ctx, entries)
		if err != nil {
			return err
		}
		entries = entries[n:]
		if !p.full() {
			continue
		}
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// full reports that the next flush is as large as one may be.
func (p *partition) full() bool { return p.pending >= p.flushRelays() || p.held >= maxHeld }

// takeSome takes entries until the partition is full, and says how many.
func (p *partition) takeSome(ctx context.Context, entries []redis.XMessage) (n int, err error) {
	var leaves []leaf
	read := p.read
	for ; n < len(entries) && !p.full(); n++ {
		id, err := parseStreamID(entries[n].ID)
		if err != nil {
			return n, err
		}
		if id.compare(read) <= 0 {
			continue
		}
		if p.pending == 0 {
			p.oldest = id.ms
		}
		read = id
		p.pending++
		if l, ok := p.leaf(entries[n]); ok {
			p.held += len(l.relay)
			leaves = append(leaves, l)
		}
	}
	failpoint.Hit("flush.after_read")
	if err := p.grow(ctx, leaves); err != nil {
		return n, fmt.Errorf("entries up to %s of partition %d: %w", read, p.number, err)
	}
	failpoint.Hit("flush.after_add")
	p.read = read
	return n, nil
}

// leaf finds the session that an entry belongs to, or counts why there is none.
// What is wrong with an entry must not stop those behind it.
func (p *partition) leaf(entry redis.XMessage) (leaf, bool) {
	relay, err := decodeEntry(entry.Values)
	if err != nil {
		return p.reject(entry, resultMalformed, err)
	}
	key := relay.Key()
	if p.gone[key] {
		return p.reject(entry, resultLate, errLate)
	}
	s, known := p.sessions[key]
	if known && s.head.Sealed {
		return p.reject(entry, resultLate, errLate)
	}
	if !known || !plainlyFits(relay.Relay, s.header, key.Supplier) {
		ref, err := refOf(relay)
		if err != nil {
			return p.reject(entry, resultMalformed, err)
		}
		if !known {
			s = p.resume(Head{Ref: ref, Weight: relay.ComputeUnits})
			p.sessions[key] = s
		}
		if s.head.Ref != ref {
			return p.reject(entry, resultForeign, fmt.Errorf("relay of %+v in session %+v", ref, s.head.Ref))
		}
	}
	if s.head.Weight != relay.ComputeUnits {
		return p.reject(entry, resultForeign, fmt.Errorf("%d compute units in a session of %d", relay.ComputeUnits, s.head.Weight))
	}
	s.used = p.flushes
	return leaf{session: s, digest: sessiontree.Key(relay.Relay), relay: relay.Relay, weight: relay.ComputeUnits}, true
}

func (p *partition) reject(entry redis.XMessage, result string, reason error) (leaf, bool) {
	p.metrics.consumed.WithLabelValues(result).Inc()
	p.log.Warn("stream entry left out of its tree", zap.Int("partition", p.number), zap.String("entry", entry.ID),
		zap.Any("supplier", entry.Values["u"]), zap.Any("session", entry.Values["s"]), zap.String("result", result), zap.Error(reason))
	return leaf{}, false
}

// grow adds leaves to their trees.
func (p *partition) grow(ctx context.Context, leaves []leaf) error {
	if err := p.warm(ctx, leaves); err != nil {
		return err
	}
	for _, l := range leaves {
		added, err := l.session.tree.Add(ctx, l.digest, l.relay, l.weight)
		if err != nil {
			return &treeError{l.session.head.Ref.Key(), err}
		}
		result := resultAdded
		if !added {
			result = resultDuplicate
			p.metrics.duplicates.Inc()
		}
		p.metrics.consumed.WithLabelValues(result).Inc()
	}
	return nil
}
