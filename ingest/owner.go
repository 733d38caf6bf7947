package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
)

const (
	// maxHeld bounds the relay bytes that a partition holds back for a flush.
	maxHeld = 8 << 20
	// readBytes is what one read should bring, and maxRead its most entries of
	// a stream. Twice as much takes Redis twice as long per relay: its answers no
	// longer fit the processor's cache.
	readBytes = 8 << 20
	maxRead   = 1000
	// blockFor is how long a read waits for entries, and so how long an owner
	// that has to stop may take to notice.
	blockFor = 40 * time.Millisecond
	// readTimeout is how long a Redis that hangs keeps an owner from noticing
	// that it has to stop.
	readTimeout = blockFor + 2*time.Second
	// catchUpIntervals stretch the flush interval of an owner that is behind.
	catchUpIntervals = 10
	// busyPartitions are worked on at a time.
	busyPartitions = 8
	// readPause is the wait after Redis failed; it doubles up to readPauseMost.
	readPause     = 50 * time.Millisecond
	readPauseMost = time.Second
)

// Options tune an owner.
type Options struct {
	FlushInterval time.Duration // longest time a relay is only in the stream
	FlushRelays   int           // a partition with so many is flushed at once
	TreeMemory    int           // bytes that trees may hold in memory; 0 for defaultTreeMemory
	Replicas      int           // replicas that have to confirm a flush for it to be durable; 0 for none
	ReplicaWait   time.Duration // longest wait for them
	Metrics       *Metrics
	Log           *zap.Logger

	stageAbove int // bytes of nodes that go with a flush script; 0 for defaultStageAbove
	stageBytes int // bytes of nodes of a stage; 0 for defaultStageBytes
}

// Owner is what one process owns: partitions, each under a fence of its own.
type Owner struct {
	rdb     redis.UniversalClient
	keys    Keys
	owner   string
	opts    Options
	metrics *Metrics
	log     *zap.Logger
	parts   []*partition
	moving  sync.Mutex // one Take or Drop at a time

	relaySize atomic.Int64  // bytes of a usual relay
	changed   chan struct{} // of capacity 1: partitions came
}

// NewOwner owns no partition yet; Take gives it some.
func NewOwner(rdb redis.UniversalClient, keys Keys, owner string, opts Options) *Owner {
	opts.stageAbove = cmp.Or(opts.stageAbove, defaultStageAbove)
	opts.stageBytes = cmp.Or(opts.stageBytes, defaultStageBytes)
	o := &Owner{
		rdb: rdb, keys: keys, owner: owner, opts: opts, metrics: opts.Metrics, log: opts.Log.Named("ingest"),
		changed: make(chan struct{}, 1),
	}
	for n := range keys.Partitions() {
		o.parts = append(o.parts, &partition{Owner: o, number: n})
	}
	return o
}

// Holds says that the partition of key is owned here.
func (o *Owner) Holds(key chain.SessionKey) bool {
	p := o.partitionOf(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reader != nil
}

func (o *Owner) partitionOf(key chain.SessionKey) *partition { return o.parts[o.keys.Partition(key)] }

// Heads lists every stored session, by supplier and session id.
func (o *Owner) Heads() []Head {
	var heads []Head
	for _, p := range o.parts {
		p.mu.Lock()
		for _, s := range p.sessions {
			if s.head.Seq > 0 {
				heads = append(heads, s.head)
			}
		}
		p.mu.Unlock()
	}
	slices.SortFunc(heads, func(a, b Head) int { return a.Ref.Key().Compare(b.Ref.Key()) })
	return heads
}

// Calm says that nothing has held up the partition of key for so long.
func (o *Owner) Calm(key chain.SessionKey, d time.Duration) bool {
	last := o.partitionOf(key).trouble.Load()
	return last == nil || time.Since(*last) >= d
}

// troubled notes that partitions were held up.
func troubled(parts []*partition) {
	now := time.Now()
	for _, p := range parts {
		p.trouble.Store(&now)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// due reports that the interval is over. An owner that is behind the streams
// takes longer: larger flushes cost less a relay.
func (o *Owner) due(flushed time.Time, behind bool) bool {
	interval := o.opts.FlushInterval
	if behind && !flushed.IsZero() {
		interval *= catchUpIntervals
	}
	return time.Since(flushed) >= interval
}

// errUnread: the streams themselves could not be read.
var errUnread = errors.New("read streams")

// read takes what is in the streams, or waits a little for something to come.
// It reports whether there is more than it read.
func (o *Owner) read(ctx context.Context, parts []*partition) (behind bool, err error) {
	streams := make([]string, 0, 2*len(parts))
	byStream := make(map[string]*partition, len(parts))
	from := make(map[string]streamID, len(parts))
	var positions []string
	for _, p := range parts {
		name := o.keys.Stream(p.number)
		streams = append(streams, name)
		byStream[name], from[name] = p, p.position()
		positions = append(positions, from[name].String())
	}
	count := o.readCount(len(parts))
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	results, err := o.rdb.XRead(limited, &redis.XReadArgs{
		Streams: append(streams, positions...), Count: int64(count), Block: blockFor,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errUnread, err)
	}
	for _, result := range results {
		behind = behind || len(result.Messages) == count
	}
	return behind, together(results, func(result redis.XStream) error {
		o.sized(result.Messages)
		return byStream[result.Stream].takeFrom(ctx, from[result.Stream], result.Messages)
	})
}

// together works on several partitions at a time: while one waits for Redis,
// others compute.
func together[T any](items []T, work func(T) error) error {
	var group errgroup.Group
	group.SetLimit(busyPartitions)
	for _, item := range items {
		group.Go(func() error { return work(item) })
	}
	return group.Wait()
}

func (p *partition) position() streamID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// takeFrom takes entries that were read from a position on. If the partition
// was put back behind it meanwhile, there would be a gap: they are read again.
func (p *partition) takeFrom(ctx context.Context, from streamID, entries []redis.XMessage) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader == nil {
		return nil // dropped meanwhile
	}
	if err := p.moored(ctx); err != nil {
		return err
	}
	if p.read.compare(from) < 0 {
		return nil
	}
	if err := p.take(ctx, entries); err != nil {
		return p.recover(ctx, err)
	}
	return nil
}

func (o *Owner) flushRelays() int { return max(o.opts.FlushRelays, 1) }

// readCount keeps a read near readBytes whatever the size of the relays: COUNT
// is the only bound that XREAD knows.
func (o *Owner) readCount(streams int) int {
	size := max(int(o.relaySize.Load()), 256)
	return min(max(readBytes/size/streams, 1), maxRead, o.flushRelays())
}

// sized learns the usual size of relays. It moves up at once and down slowly.
func (o *Owner) sized(entries []redis.XMessage) {
	total := 0
	for _, e := range entries {
		for _, value := range e.Values {
			relay, _ := value.(string)
			total += len(relay)
		}
	}
	if len(entries) == 0 {
		return
	}
	mean, known := int64(total/len(entries)), o.relaySize.Load()
	o.relaySize.Store(max(mean, known-known/8))
}

// flushDue flushes every partition, or only those that hold enough.
func (o *Owner) flushDue(ctx context.Context, parts []*partition, all bool) error {
	return together(parts, func(p *partition) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reader == nil {
			return nil
		}
		if all || p.full() {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
		return p.reseal(ctx)
	})
}
