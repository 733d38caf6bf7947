package ingest

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// defaultStageAbove is how many bytes of nodes go with the flush script. Redis hashes
// every byte that a script is given, and serves nobody else while it runs: more
// than that is staged.
const defaultStageAbove = 96 << 10

// store writes a flush. It reports whether enough replicas have the result.
func (p *partition) store(ctx context.Context, changes []change) (replicated bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	p.flushes++
	staged := ""
	if p.large(changes) {
		if staged, err = p.stage(ctx, changes); err != nil {
			return false, err
		}
	}
	return p.commit(ctx, staged, changes)
}

// commit runs the flush script.
func (p *partition) commit(ctx context.Context, staged string, changes []change) (replicated bool, err error) {
	failpoint.Hit("flush.before_script")
	replicated, err = p.sendFlush(ctx, staged, changes)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = flushScript.Load(ctx, p.rdb).Err(); err == nil {
			replicated, err = p.sendFlush(ctx, staged, changes)
		}
	}
	failpoint.Hit("flush.after_script")
	p.moved(ctx, err)
	return replicated, p.counted(refusal(err))
}

// large reports that the nodes of a flush are too many for its script.
func (p *partition) large(changes []change) bool {
	size := 0
	for i := range changes {
		for n := range changes[i].delta.Sets {
			size += len(changes[i].delta.Sets[n].Data)
		}
	}
	return size > p.opts.stageAbove
}

// sendFlush sends the script, with the nodes unless they are staged.
func (p *partition) sendFlush(ctx context.Context, staged string, changes []change) (replicated bool, _ error) {
	route, err := p.writeRoute(ctx)
	if err != nil {
		return false, err
	}
	var flushed, confirmation *redis.Cmd
	_, err = route.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		keys, args := p.flushCall(staged, changes)
		flushed = flushScript.EvalSha(ctx, pipe, keys, args...)
		confirmation = p.await(ctx, pipe)
		return nil
	})
	switch {
	case flushed.Err() != nil:
		return false, flushed.Err()
	case confirmation == nil:
		return true, err
	}
	return p.confirmed(confirmation), nil
}

// flushCall leaves out the nodes if they are staged.
func (p *partition) flushCall(staged string, changes []change) (keys []string, args []any) {
	keys = []string{p.keys.Meta(p.number), p.keys.Heads(p.number)}
	args = []any{p.epoch, p.owner, p.cursor.String(), p.read.String(), staged}
	for i := range changes {
		c := &changes[i]
		sets := c.delta.Sets
		if staged != "" {
			sets = nil
		}
		keys = append(keys, p.keys.Nodes(c.head.Ref.Key()))
		args = append(args, sessionField(c.head.Ref.Key()), c.session.head.Seq, c.head.encode(), len(c.delta.Deletes), len(sets))
		for d := range c.delta.Deletes {
			args = append(args, c.delta.Deletes[d][:])
		}
		args = appendNodes(args, sets)
	}
	return keys, args
}

func appendNodes(args []any, nodes []sessiontree.Node) []any {
	for i := range nodes {
		args = append(args, nodes[i].Digest[:], nodes[i].Data)
	}
	return args
}
