package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// leaf is a relay that fits its session.
type leaf struct {
	session *session
	path    sessiontree.Digest
	relay   []byte
	weight  uint64
}

// compare is the order in which leaves are added: what is close together in a tree is
// touched together then, so it is still in the processor's caches.
func (l leaf) compare(other leaf) int {
	if l.session != other.session {
		return l.session.head.Ref.Key().Compare(other.session.head.Ref.Key())
	}
	return bytes.Compare(l.path[:], other.path[:])
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
	leaves := make([]leaf, 0, len(entries))
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
	weight, text, err := entryOf(entry.Values)
	if err != nil {
		return p.reject(entry, resultMalformed, err)
	}
	relay := []byte(text)
	s := p.plainSession(relay)
	if s == nil {
		ref, err := refOf(relay)
		if err != nil {
			return p.reject(entry, resultMalformed, err)
		}
		if s, err = p.sessionOf(ref, weight); err != nil {
			return p.reject(entry, resultForeign, err)
		}
	}
	if s.head.Sealed || p.gone[s.head.Ref.Key()] {
		return p.reject(entry, resultLate, fmt.Errorf("%w: %+v", errLate, s.head.Ref))
	}
	if s.head.Weight != weight {
		return p.reject(entry, resultForeign, fmt.Errorf("%d compute units in %+v of %d", weight, s.head.Ref, s.head.Weight))
	}
	s.used = p.flushes
	return leaf{session: s, path: sessiontree.Path(relay), relay: relay, weight: weight}, true
}

// plainSession is the known session whose header a relay plainly carries, if any.
func (p *partition) plainSession(relay []byte) *session {
	supplier, header := plainly(relay)
	s := p.sessions[chain.SessionKey{Supplier: string(supplier), SessionID: string(sessionID(header))}]
	if s == nil || !bytes.Equal(s.header, header) {
		return nil
	}
	return s
}

// sessionOf is the session of a ref, which may be its first relay.
func (p *partition) sessionOf(ref chain.SessionRef, weight uint64) (*session, error) {
	key := ref.Key()
	s, known := p.sessions[key]
	switch {
	case known && s.head.Ref != ref:
		return nil, fmt.Errorf("relay of %+v in session %+v", ref, s.head.Ref)
	case known:
		return s, nil
	case p.keys.Partition(key) != p.number:
		return nil, fmt.Errorf("relay of %+v in a partition that is not its own", ref)
	}
	s = p.resume(Head{Ref: ref, Weight: weight})
	if !p.gone[key] {
		p.sessions[key] = s
	}
	return s, nil
}

func (p *partition) reject(entry redis.XMessage, result string, reason error) (leaf, bool) {
	p.metrics.consumed.WithLabelValues(result).Inc()
	p.log.Warn("stream entry left out of its tree", zap.Int("partition", p.number), zap.String("entry", entry.ID),
		zap.String("result", result), zap.Error(reason))
	return leaf{}, false
}

// grow adds leaves to their trees. Those whose way leads out of memory wait until it
// was read on: in one pipeline a level, for all trees together.
func (p *partition) grow(ctx context.Context, leaves []leaf) error {
	slices.SortFunc(leaves, leaf.compare)
	added, duplicates := 0, 0
	for len(leaves) > 0 {
		waiting := leaves[:0]
		for _, l := range leaves {
			fresh, err := l.session.tree.Add(l.path, l.relay, l.weight)
			switch {
			case errors.Is(err, sessiontree.ErrUnread):
				waiting = append(waiting, l)
			case err != nil:
				return &treeError{l.session.head.Ref.Key(), err}
			case fresh:
				added++
			default:
				duplicates++
			}
		}
		leaves = waiting
		if err := p.readOn(ctx, leaves); err != nil {
			return err
		}
	}
	p.metrics.duplicates.Add(float64(duplicates))
	p.metrics.consumed.WithLabelValues(resultAdded).Add(float64(added))
	p.metrics.consumed.WithLabelValues(resultDuplicate).Add(float64(duplicates))
	return nil
}

// readOn reads what the trees of leaves are missing.
func (p *partition) readOn(ctx context.Context, leaves []leaf) error {
	reads := make(map[*session][]*redis.SliceCmd)
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, l := range leaves {
			if reads[l.session] == nil {
				reads[l.session] = readNodes(ctx, pipe, p.keys.Nodes(l.session.head.Ref.Key()), l.session.tree.Missing())
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read tree nodes: %w", err)
	}
	for s, read := range reads {
		if err := s.tree.Supply(nodesOf(read)); err != nil {
			return &treeError{s.head.Ref.Key(), err}
		}
	}
	return nil
}
