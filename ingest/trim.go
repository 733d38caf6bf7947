package ingest

import (
	"context"
	"fmt"

	"github.com/raftminer/raftminer/ingest/failpoint"
)

// Mark is how far the trees of each partition are stored for good: with enough
// replicas, if any are asked for.
type Mark []streamID

// Mark returns how far the trees are durable. Take it before a checkpoint, and Trim to it after.
func (o *Owner) Mark() Mark {
	mark := make(Mark, len(o.parts))
	for i, p := range o.parts {
		p.mu.Lock()
		mark[i] = p.durable
		p.mu.Unlock()
	}
	return mark
}

// Trim drops the stream entries up to mark. They are in stored trees, and no
// owner reads behind its cursor.
func (o *Owner) Trim(ctx context.Context, mark Mark) error {
	for i, p := range o.parts {
		if i >= len(mark) || mark[i] == (streamID{}) {
			continue
		}
		if err := p.trim(ctx, mark[i]); err != nil {
			return fmt.Errorf("trim partition %d: %w", p.number, err)
		}
	}
	return nil
}

func (p *partition) trim(ctx context.Context, last streamID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader == nil {
		return nil // the next owner trims it
	}
	if p.cursor.compare(last) < 0 {
		last = p.cursor // Redis went back since the mark was taken
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	keys := []string{p.keys.Meta(p.number), p.keys.Stream(p.number)}
	failpoint.Hit("trim.before_script")
	err := trimScript.Run(ctx, p.rdb, keys, p.epoch, p.owner, last.next().String()).Err()
	failpoint.Hit("trim.after_script")
	return p.counted(refusal(err))
}
