package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// What one stage carries at most: Redis serves nobody else while it writes one.
const (
	defaultStageBytes = 3 << 19
	stageNodes        = 2000
)

// span is a run of the nodes that a change sets.
type span struct {
	change *change
	nodes  []sessiontree.Node
}

// pieces cuts the nodes of a flush to the size of stages.
func pieces(changes []change, most int) [][]span {
	var all [][]span
	var piece []span
	size, count := 0, 0
	for i := range changes {
		sets := changes[i].delta.Sets
		from := 0
		for n := range sets {
			if cost := len(sets[n].Data); count > 0 && (size+cost > most || count == stageNodes) {
				if from < n {
					piece = append(piece, span{&changes[i], sets[from:n]})
				}
				all, piece, from, size, count = append(all, piece), nil, n, 0, 0
			}
			size += len(sets[n].Data)
			count++
		}
		if from < len(sets) {
			piece = append(piece, span{&changes[i], sets[from:]})
		}
	}
	return append(all, piece)
}

// stage writes the nodes of a flush ahead of its script, and says under which name
// the last of them were written. They change no tree: no stored root leads to them
// before that script, which wants that name. Named by their digests, they
// overwrite nothing.
func (p *partition) stage(ctx context.Context, changes []change) (last string, err error) {
	for i, piece := range pieces(changes, p.opts.stageBytes) {
		name := fmt.Sprintf("%s/%d/%d", p.read, p.flushes, i+1)
		if err := p.stagePiece(ctx, last, name, piece); err != nil {
			p.moved(ctx, err)
			return "", p.counted(err)
		}
		last = name
	}
	return last, nil
}

// stagePiece writes one stage as a transaction of plain commands. It is fenced by
// WATCH: Redis discards the transaction if anybody, so also an owner who raises
// the fence, has written to the meta hash since it was looked at.
func (p *partition) stagePiece(ctx context.Context, after, name string, piece []span) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	meta := p.keys.Meta(p.number)
	return p.rdb.Watch(ctx, func(tx *redis.Tx) error {
		if err := p.unchanged(ctx, tx, after); err != nil {
			return err
		}
		failpoint.Hit("stage.before_write")
		cmds, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.HSet(ctx, meta, "staged", name)
			for _, s := range piece {
				pipe.HSet(ctx, p.keys.Nodes(s.change.head.Ref.Key()), appendNodes(make([]any, 0, 2*len(s.nodes)), s.nodes)...)
			}
			return nil
		})
		failpoint.Hit("stage.after_write")
		return discarded(cmds, err)
	}, meta)
}

// unchanged checks what the flush script checks: that the fence and the cursor are
// p's, and that the stage before was written.
func (p *partition) unchanged(ctx context.Context, tx *redis.Tx, after string) error {
	values, err := tx.HMGet(ctx, p.keys.Meta(p.number), "epoch", "owner", "cursor", "staged").Result()
	if err != nil {
		return err
	}
	stored := make([]string, len(values))
	for i, v := range values {
		stored[i], _ = v.(string)
	}
	switch {
	case stored[0] != p.epoch || stored[1] != p.owner:
		return fmt.Errorf("%w: by %s %s", ErrFenced, stored[0], stored[1])
	case cmp.Or(stored[2], "0-0") != p.cursor.String():
		return fmt.Errorf("%w: cursor", errStale)
	case after != "" && stored[3] != after:
		return fmt.Errorf("%w: staging", errStale)
	}
	return nil
}

// discarded gives the reason why Redis discarded a transaction its type. It comes
// with the command that made it do so.
func discarded(cmds []redis.Cmder, err error) error {
	if errors.Is(err, redis.TxFailedErr) {
		return fmt.Errorf("%w: written to by another", errStale)
	}
	if redis.HasErrorPrefix(err, "EXECABORT") {
		because := func(cmd redis.Cmder) bool { return cmd.Err() != nil && !redis.HasErrorPrefix(cmd.Err(), "EXECABORT") }
		if i := slices.IndexFunc(cmds, because); i >= 0 {
			err = cmds[i].Err()
		}
	}
	return refusal(err)
}
