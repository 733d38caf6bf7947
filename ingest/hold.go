package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrNotHeld: another process owns the partition, or nobody yet.
var ErrNotHeld = errors.New("partition is not held here")

// takeTimeout bounds a Take: Redis may hang.
const takeTimeout = 5 * time.Second

// Take raises the fences of partitions, given by number, and takes over what is
// stored. From then on no earlier owner can write to them. Each of them is taken or
// counted in the error: ErrFenced says that a later owner exists.
func (o *Owner) Take(ctx context.Context, fences map[int]string) error {
	o.moving.Lock()
	defer o.moving.Unlock()
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	var parts []*partition
	for _, n := range slices.Sorted(maps.Keys(fences)) {
		if n < 0 || n >= len(o.parts) {
			return fmt.Errorf("%w: %d of %d", ErrPartitions, n, len(o.parts))
		}
		parts = append(parts, o.parts[n])
	}
	// What is in memory of a partition is of no use under another fence. Nobody
	// waits for Redis meanwhile: a partition that is not held is refused at once.
	for _, p := range parts {
		p.mu.Lock()
		p.release()
		p.epoch = fences[p.number]
		p.mu.Unlock()
	}
	taken, err := o.acquireAll(ctx, parts)
	for _, r := range o.readers(taken) {
		for _, p := range r.parts {
			p.mu.Lock()
			p.reader = r
			p.mu.Unlock()
		}
	}
	o.metrics.taken.Add(float64(len(taken)))
	o.observeHeld()
	if err != nil && !errors.Is(err, ErrFenced) {
		troubled(slices.DeleteFunc(parts, func(p *partition) bool { return slices.Contains(taken, p) }))
	}
	select {
	case o.changed <- struct{}{}:
	default:
	}
	if err != nil {
		return fmt.Errorf("%d of %d partitions not taken: %w", len(parts)-len(taken), len(parts), err)
	}
	return nil
}

// acquireAll raises the fences on all servers, and says which partitions it got and
// the first reason why it did not get one.
func (o *Owner) acquireAll(ctx context.Context, parts []*partition) ([]*partition, error) {
	shards, err := o.shards(ctx, parts)
	if err != nil {
		return nil, err
	}
	taken := make([][]*partition, len(shards))
	var work errgroup.Group
	for i, s := range shards {
		work.Go(func() (err error) { taken[i], err = o.acquire(ctx, s); return err })
	}
	err = work.Wait()
	return slices.Concat(taken...), err
}

// Drop lets go of partitions. Nothing of them is written any more once it returns;
// what was not stored yet is in the stream, for the next owner.
func (o *Owner) Drop(numbers ...int) {
	o.moving.Lock()
	defer o.moving.Unlock()
	for _, n := range numbers {
		p := o.parts[n]
		p.mu.Lock()
		p.release()
		p.mu.Unlock()
	}
	o.observeHeld()
}

// Held are the fences under which partitions are owned, by number.
func (o *Owner) Held() map[int]string {
	held := make(map[int]string)
	for _, p := range o.parts {
		p.mu.Lock()
		if p.reader != nil {
			held[p.number] = p.epoch
		}
		p.mu.Unlock()
	}
	return held
}

func (o *Owner) observeHeld() { o.metrics.held.Set(float64(len(o.Held()))) }

// release forgets what is in memory.
func (p *partition) release() {
	p.reader, p.fenced = nil, false
	p.sessions, p.gone, p.wanted, p.behind = nil, nil, nil, nil
	p.cursor, p.durable, p.read = streamID{}, streamID{}, streamID{}
	p.pending, p.held = 0, 0
}

// owned refuses work on a partition that is not held.
func (p *partition) owned() error {
	if p.reader == nil {
		return fmt.Errorf("%w: %d", ErrNotHeld, p.number)
	}
	return nil
}
