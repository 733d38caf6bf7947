package main

import (
	"context"
	"fmt"
	"strings"
)

// memory is what Redis holds for a relay once the stream is trimmed.
func (b *bench) memory(ctx context.Context) error {
	if err := b.owner.Trim(ctx, b.owner.Mark()); err != nil {
		return err
	}
	b.report.RedisBytesPerRelay = b.server.info(ctx, "memory", "used_memory") / float64(b.stored)
	return nil
}

// settle forgets everything and looks at what is left.
func (b *bench) settle(ctx context.Context) error {
	if err := b.own(ctx, b.near, 4096); err != nil {
		return err
	}
	for _, s := range b.sessions {
		if err := b.remove(ctx, s); err != nil {
			return err
		}
	}
	b.stored = 0
	keys, err := b.server.rdb.Keys(ctx, b.keys.Namespace()+"*").Result()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if strings.Contains(key, ":nodes:") || strings.HasSuffix(key, ":heads") {
			b.report.NodeKeysLeft++
		}
	}
	return nil
}

func (b *bench) remove(ctx context.Context, s *session) error {
	if _, err := b.owner.Seal(ctx, s.ref.Key()); err != nil {
		return err
	}
	return b.owner.Forget(ctx, s.ref.Key())
}

// sizes grows one tree after the other, alone in Redis, and looks at what a
// relay of each takes.
func (b *bench) sizes(ctx context.Context) error {
	defer func() { b.report.RedisBytesBySize = b.bySize }()
	for i, leaves := range []int{1_000, 10_000, 100_000} {
		s, err := newSession(b.opts.sessions + i)
		if err != nil {
			return err
		}
		b.sessions = []*session{s}
		if err := b.publish(ctx, leaves); err != nil {
			return err
		}
		b.stored = uint64(leaves)
		b.consumed()
		if err := b.owner.Trim(ctx, b.owner.Mark()); err != nil {
			return err
		}
		held, err := b.held(ctx)
		if err != nil {
			return err
		}
		b.bySize[fmt.Sprint(leaves)] = held / float64(leaves)
		if err := b.remove(ctx, s); err != nil {
			return err
		}
	}
	b.stopOwner()
	return nil
}

// held is the memory of all keys, allocator's rounding included.
func (b *bench) held(ctx context.Context) (total float64, err error) {
	keys, err := b.server.rdb.Keys(ctx, "*").Result()
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		n, err := b.server.rdb.MemoryUsage(ctx, key, 0).Result()
		if err != nil {
			return 0, err
		}
		total += float64(n)
	}
	return total, nil
}
