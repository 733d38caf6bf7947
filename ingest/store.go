package ingest

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// What one script may carry. While a script runs Redis serves nobody else: this
// keeps it to a millisecond, and what Redis copies on the way within the
// processor's cache.
const (
	scriptBytes = 96 << 10
	scriptNodes = 2000
)

// span is a run of the nodes that a change sets.
type span struct {
	change *change
	nodes  []sessiontree.Node
}

// pieces cuts the nodes of a flush to the size of scripts. The last piece goes
// with the flush script itself, and is the only one of an ordinary flush.
func pieces(changes []change) [][]span {
	var all [][]span
	var piece []span
	size, count := 0, 0
	for i := range changes {
		sets := changes[i].delta.Sets
		from := 0
		for n := range sets {
			if cost := len(sets[n].Data); count > 0 && (size+cost > scriptBytes || count == scriptNodes) {
				if from < n {
					piece = append(piece, span{&changes[i], sets[from:n]})
				}
				all, piece, from, size, count = append(all, piece), nil, n, 0, 0
			}
			size += len(sets[n].Data)
			count++
		}
		piece = append(piece, span{&changes[i], sets[from:]})
	}
	return append(all, piece)
}

// store sends the scripts of a flush in one pipeline. Each checks that the one
// before it took place, so a refusal in the middle refuses all that follow. It
// reports whether enough replicas have the result.
func (p *partition) store(ctx context.Context, changes []change) (replicated bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	p.flushes++
	cut := pieces(changes)
	failpoint.Hit("flush.before_script")
	replicated, err = p.sendFlush(ctx, changes, cut)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = p.loadScripts(ctx); err == nil {
			replicated, err = p.sendFlush(ctx, changes, cut)
		}
	}
	failpoint.Hit("flush.after_script")
	p.moved(ctx, err)
	return replicated, p.counted(refusal(err))
}

func (p *partition) sendFlush(ctx context.Context, changes []change, cut [][]span) (replicated bool, _ error) {
	route, err := p.writeRoute(ctx)
	if err != nil {
		return false, err
	}
	staging := p.staging()
	staged := ""
	var confirmation *redis.Cmd
	cmds, err := route.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, piece := range cut[:len(cut)-1] {
			keys, args := p.stageCall(staging, i+1, piece)
			stageScript.EvalSha(ctx, pipe, keys, args...)
			staged = fmt.Sprintf("%s/%d", staging, i+1)
		}
		keys, args := p.flushCall(staged, changes, cut[len(cut)-1])
		flushScript.EvalSha(ctx, pipe, keys, args...)
		confirmation = p.await(ctx, pipe)
		return nil
	})
	// The first refusal says why; those after it follow from it.
	for _, cmd := range cmds {
		if cmd == redis.Cmder(confirmation) {
			return p.confirmed(confirmation), nil
		}
		if cmd.Err() != nil {
			return false, cmd.Err()
		}
	}
	return true, err
}

// staging names the stages of one flush.
func (p *partition) staging() string { return fmt.Sprintf("%s/%d", p.read, p.flushes) }

func (p *partition) loadScripts(ctx context.Context) error {
	for _, script := range []*redis.Script{stageScript, flushScript} {
		if err := script.Load(ctx, p.rdb).Err(); err != nil {
			return fmt.Errorf("load scripts: %w", err)
		}
	}
	return nil
}

func (p *partition) stageCall(staging string, number int, piece []span) (keys []string, args []any) {
	keys = []string{p.keys.Meta(p.number)}
	args = []any{p.epoch, p.owner, p.cursor.String(), staging, number}
	for _, s := range piece {
		keys = append(keys, p.keys.Nodes(s.change.head.Ref.Key()))
		args = append(args, len(s.nodes))
		args = appendNodes(args, s.nodes)
	}
	return keys, args
}

func (p *partition) flushCall(staged string, changes []change, last []span) (keys []string, args []any) {
	rest := make(map[*change][]sessiontree.Node, len(last))
	for _, s := range last {
		rest[s.change] = s.nodes
	}
	keys = []string{p.keys.Meta(p.number), p.keys.Heads(p.number)}
	args = []any{p.epoch, p.owner, p.cursor.String(), p.read.String(), staged}
	for i := range changes {
		c := &changes[i]
		nodes := rest[c]
		keys = append(keys, p.keys.Nodes(c.head.Ref.Key()))
		args = append(args, sessionField(c.head.Ref.Key()), c.session.head.Seq, c.head.encode(), len(c.delta.Deletes), len(nodes))
		for d := range c.delta.Deletes {
			args = append(args, c.delta.Deletes[d][:])
		}
		args = appendNodes(args, nodes)
	}
	return keys, args
}

func appendNodes(args []any, nodes []sessiontree.Node) []any {
	for i := range nodes {
		args = append(args, nodes[i].Digest[:], nodes[i].Data)
	}
	return args
}
