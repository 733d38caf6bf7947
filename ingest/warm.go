package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// warming is a tree on its way into memory.
type warming struct {
	*sessiontree.Warming
	session *session
	reads   []*redis.SliceCmd
}

// warm reads what adding leaves will touch of trees that are not in memory: one
// pipeline a level, for all trees and leaves together.
func (p *partition) warm(ctx context.Context, leaves []leaf) error {
	wanted := make(map[*session][]sessiontree.Digest)
	var order []*session
	for _, l := range leaves {
		if !l.session.tree.Cold() {
			continue
		}
		if wanted[l.session] == nil {
			order = append(order, l.session)
		}
		wanted[l.session] = append(wanted[l.session], l.digest)
	}
	var open []*warming
	for _, s := range order {
		open = append(open, &warming{Warming: s.tree.Warming(wanted[s]), session: s})
	}
	for {
		open = unfinished(open)
		if len(open) == 0 {
			return nil
		}
		if err := p.descend(ctx, open); err != nil {
			return err
		}
	}
}

func unfinished(all []*warming) (open []*warming) {
	for _, w := range all {
		if len(w.Missing()) > 0 {
			open = append(open, w)
		}
	}
	return open
}

// descend reads the next level of every tree.
func (p *partition) descend(ctx context.Context, open []*warming) error {
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, w := range open {
			w.reads = readNodes(ctx, pipe, p.keys.Nodes(w.session.head.Ref.Key()), w.Missing())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read tree nodes: %w", err)
	}
	for _, w := range open {
		if err := w.Supply(nodesOf(w.reads)); err != nil {
			return &treeError{w.session.head.Ref.Key(), err}
		}
	}
	return nil
}
