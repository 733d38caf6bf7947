package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// reader reads the streams of partitions that were taken together, and stores
// them. It ends when all of them were dropped, or taken again.
type reader struct {
	parts  []*partition
	stored atomic.Bool // something was flushed
}

// readers are for partitions that one command can read together: all of them, but
// in a Redis Cluster only those of one slot.
func (o *Owner) readers(parts []*partition) []*reader {
	if _, cluster := o.rdb.(*redis.ClusterClient); !cluster {
		return []*reader{{parts: parts}}
	}
	var readers []*reader
	for _, p := range parts {
		readers = append(readers, &reader{parts: []*partition{p}})
	}
	return readers
}

// Run consumes and flushes what is owned until ctx ends. It lets go of partitions
// that a later owner has fenced.
func (o *Owner) Run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { o.tend(ctx) })
	running := make(map[*reader]bool)
	for {
		current := o.current()
		for r := range current {
			if !running[r] {
				work.Go(func() { o.consume(ctx, r) })
			}
		}
		running = current
		select {
		case <-ctx.Done():
			return
		case <-o.changed:
		}
	}
}

// current are the readers of what is owned now.
func (o *Owner) current() map[*reader]bool {
	readers := make(map[*reader]bool)
	for _, p := range o.parts {
		p.mu.Lock()
		if p.reader != nil {
			readers[p.reader] = true
		}
		p.mu.Unlock()
	}
	return readers
}

// left are the partitions that are still r's. Those that a later owner has fenced
// are not.
func (r *reader) left() (parts []*partition) {
	for _, p := range r.parts {
		p.mu.Lock()
		if p.reader == r && p.fenced {
			p.log.Warn("let go of a partition: its fence is another owner's", zap.Int("partition", p.number))
			p.release()
		}
		if p.reader == r {
			parts = append(parts, p)
		}
		p.mu.Unlock()
	}
	return parts
}

func (o *Owner) consume(ctx context.Context, r *reader) {
	var flushed time.Time // never: what a new owner finds is stored at once
	pause := readPause
	for ctx.Err() == nil {
		parts := r.left()
		if len(parts) == 0 {
			return
		}
		behind, err := o.read(ctx, parts)
		due := o.due(flushed, behind)
		if !errors.Is(err, errUnread) {
			// A partition that is held up does not hold up the others.
			err = errors.Join(err, o.flushDue(ctx, parts, due))
		}
		if due && r.stored.Load() { // a new owner stores its first relays at once
			flushed = time.Now()
		}
		switch {
		case err == nil:
			if pause > readPause { // it is over only now, not since the last failure
				troubled(parts)
			}
			pause = readPause
		case errors.Is(err, ErrFenced): // by a later owner, or Redis was emptied
			troubled(parts)
		case ctx.Err() == nil:
			troubled(parts)
			o.log.Warn("ingest is held up", zap.Error(err), zap.Duration("pause", pause))
			wait(ctx, pause)
			pause = min(2*pause, readPauseMost)
		}
	}
}
