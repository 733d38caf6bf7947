package spool

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

// entryOverhead is what an entry takes besides its relay.
const entryOverhead = 256

// Publisher puts relays into the streams; *ingest.Publisher is one.
type Publisher interface {
	Publish(ctx context.Context, relay ingest.MinedRelay) error
	Republish(ctx context.Context, relay ingest.MinedRelay) error
}

// Options size a spool.
type Options struct {
	MaxBytes int    // of relays; the oldest leave first
	Dir      string // of segment files, which outlive the process; "" keeps relays in memory only
}

// Spool is a Publisher that remembers. What it holds is bounded: if Redis goes
// back further than that, the rest is lost, and was counted when it left.
type Spool struct {
	inner   Publisher
	id      string // of this life of the relayer
	rdb     redis.UniversalClient
	keys    ingest.Keys
	opts    Options
	metrics *metrics
	log     *zap.Logger

	mu       sync.Mutex
	entries  []*entry // by age
	sessions map[chain.SessionKey]*tally
	bytes    int
	pending  int    // bytes of entries that are not in the stream yet
	seq      uint64 // of the newest entry
	disk     *segments

	parts   []*partition                       // only the watching goroutine uses them, but for what is atomic
	brought map[chain.SessionKey]ingest.Asking // by the watching goroutine, when last asked
	turn    uint64                             // of tell, by the watching goroutine
	looks   atomic.Uint64                      // looks at all of Redis that worked
}

// entry is a relay that is in the stream, as far as anybody knows.
type entry struct {
	relay     ingest.MinedRelay
	partition int
	seq       uint64
	segment   *segment // nil in memory only
	pending   bool     // not in the stream yet
}

func (e *entry) size() int { return len(e.relay.Relay) + entryOverhead }

// Open makes a spool. Relays that an earlier process left in Dir are published
// again once Run is at work.
func Open(inner Publisher, rdb redis.UniversalClient, keys ingest.Keys, opts Options, reg prometheus.Registerer, log *zap.Logger) (*Spool, error) {
	s := &Spool{
		inner: inner, id: rand.Text(), rdb: rdb, keys: keys, opts: opts, metrics: newMetrics(reg), log: log.Named("spool"),
		sessions: make(map[chain.SessionKey]*tally), brought: make(map[chain.SessionKey]ingest.Asking),
	}
	for range keys.Partitions() {
		s.parts = append(s.parts, &partition{})
	}
	if opts.Dir == "" {
		return s, nil
	}
	var err error
	if s.disk, err = openSegments(opts.Dir, func(relay ingest.MinedRelay, from *segment) { s.hold(relay, from, false) }); err != nil {
		return nil, err
	}
	for _, p := range s.parts {
		p.owed = s.seq // what Redis has of them nobody knows
	}
	return s, nil
}

// Publish returns nil once the relay is in the stream and in the spool. While
// Redis is away, a spool with a directory takes it alone, and publishes it later.
func (s *Spool) Publish(ctx context.Context, relay ingest.MinedRelay) error {
	err := s.try(ctx, relay)
	switch {
	case err == nil:
		s.keep(relay)
		return nil
	case isClosed(err) || s.disk == nil || ctx.Err() != nil:
		return err
	}
	return s.accept(relay, err)
}

// keep remembers a relay that is in the stream.
func (s *Spool) keep(relay ingest.MinedRelay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(relay)
	if s.opts.MaxBytes > 0 {
		s.hold(relay, s.write(relay), false)
	}
}

// write puts a relay on disk; nil if there is none, or it failed.
func (s *Spool) write(relay ingest.MinedRelay) *segment {
	if s.disk == nil {
		return nil
	}
	to, err := s.disk.append(relay)
	if err != nil {
		s.metrics.diskErrors.Inc()
		s.log.Warn("relay is not in the spool's directory", zap.Error(err))
		return nil
	}
	return to
}

// Close lets go of the files. What is in them is there for the next process.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disk == nil {
		return nil
	}
	return s.disk.close()
}

// hold adds an entry and makes room for it. An entry that is nowhere else stays.
func (s *Spool) hold(relay ingest.MinedRelay, from *segment, pending bool) {
	s.seq++
	e := &entry{relay: relay, partition: s.keys.Partition(relay.Key()), seq: s.seq, segment: from, pending: pending}
	s.entries = append(s.entries, e)
	s.tallyOf(relay.Key()).held++
	s.bytes += e.size()
	if pending {
		s.pending += e.size()
	}
	for s.bytes > s.opts.MaxBytes {
		at := slices.IndexFunc(s.entries, func(e *entry) bool { return !e.pending })
		if at < 0 {
			break
		}
		oldest := s.entries[at]
		if at == 0 {
			s.entries = s.entries[1:]
		} else {
			s.entries = slices.Delete(s.entries, at, at+1)
		}
		s.letGo(oldest)
		s.metrics.shed.WithLabelValues(s.parts[oldest.partition].protects(oldest.seq)).Inc()
	}
	s.measure()
}

// letGo accounts for an entry that is not in entries any more.
func (s *Spool) letGo(e *entry) {
	s.bytes -= e.size()
	s.arrived(e)
	key := e.relay.Key()
	t := s.tallyOf(key)
	t.held--
	if t.held == 0 && t.published == 0 {
		delete(s.sessions, key)
	}
	if e.segment != nil {
		if err := s.disk.release(e.segment); err != nil {
			s.log.Warn("spool segment not removed", zap.Error(err))
		}
	}
}

// arrived says that an entry waits for Redis no longer.
func (s *Spool) arrived(e *entry) {
	if e.pending {
		e.pending = false
		s.pending -= e.size()
	}
}

// drop removes entries that nobody needs any more.
func (s *Spool) drop(unneeded func(*entry) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make([]*entry, 0, len(s.entries))
	for _, e := range s.entries {
		if unneeded(e) {
			s.letGo(e)
			continue
		}
		kept = append(kept, e)
	}
	s.entries = kept
	s.measure()
}

func (s *Spool) measure() {
	s.metrics.relays.Set(float64(len(s.entries)))
	s.metrics.bytes.Set(float64(s.bytes))
	s.metrics.pending.Set(float64(s.pending))
}

// selected are some of the entries, the oldest first.
func (s *Spool) selected(wanted func(*entry) bool) (found []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if wanted(e) {
			found = append(found, e)
		}
	}
	return found
}

func (s *Spool) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

func isClosed(err error) bool { return errors.Is(err, ingest.ErrSessionClosed) }
