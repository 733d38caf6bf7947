package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// closedFor is how long the closing mark of a forgotten session refuses relays.
const closedFor = 24 * time.Hour

// maxReloads is how often a seal starts over after a failed flush before it
// leaves trying again to its caller.
const maxReloads = 2

// Seal makes the tree of key final: close it to relayers, drain what came
// before, store, seal. It may be repeated, by any owner: the first seal stands, unless
// Redis lost it. Then what is there is sealed.
func (o *Owner) Seal(ctx context.Context, key chain.SessionKey) (Head, error) {
	p := o.partitionOf(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.moored(ctx); err != nil {
		return Head{}, err
	}
	if s, ok := p.sessions[key]; ok && s.head.Sealed {
		return s.head, nil
	}
	if err := p.close(ctx, key); err != nil {
		return Head{}, fmt.Errorf("close session %s: %w", key.SessionID, err)
	}
	s, ok := p.sessions[key]
	if !ok || s.head.Seq == 0 {
		return Head{}, fmt.Errorf("%w: %s of %s", ErrUnknownSession, key.SessionID, key.Supplier)
	}
	if err := p.seal(ctx, s); err != nil {
		return Head{}, p.recover(ctx, fmt.Errorf("seal session %s: %w", key.SessionID, err))
	}
	delete(p.wanted, key) // more of it than this does not come
	return s.head, nil
}

// close stops relays of key from entering the stream and stores those that are
// in it.
func (p *partition) close(ctx context.Context, key chain.SessionKey) error {
	last, err := p.shut(ctx, key)
	if err != nil {
		return err
	}
	for reloads := 0; p.read.compare(last) < 0 || p.cursor != p.read; {
		err := p.drain(ctx, last)
		if errors.Is(err, errReloaded) && reloads < maxReloads && ctx.Err() == nil {
			reloads++
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shut closes key in Redis, and returns the last entry that may be one of it.
func (p *partition) shut(ctx context.Context, key chain.SessionKey) (last streamID, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	keys := append(p.fenceKeys(), p.keys.Stream(p.number))
	var seq uint64
	if s, ok := p.sessions[key]; ok {
		seq = s.head.Seq
	}
	text, err := closeScript.Run(ctx, p.rdb, keys, p.epoch, p.owner, sessionField(key), seq).Text()
	if err != nil {
		if err = p.counted(refusal(err)); errors.Is(err, errStale) {
			err = p.recover(ctx, err)
		}
		return streamID{}, err
	}
	failpoint.Hit("seal.after_close")
	return parseStreamID(text)
}

// drain takes and stores the next entries up to last.
func (p *partition) drain(ctx context.Context, last streamID) error {
	if err := p.moored(ctx); err != nil {
		return err
	}
	if p.read.compare(last) < 0 {
		entries, err := p.rdb.XRangeN(ctx, p.keys.Stream(p.number), p.read.next().String(), last.String(), int64(p.readCount(1))).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("read stream: %w", err)
		}
		if len(entries) == 0 {
			p.read = last // trimmed: it was stored before
		}
		if err := p.take(ctx, entries); err != nil {
			return p.recover(ctx, err)
		}
	}
	return p.flush(ctx)
}

func (p *partition) seal(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	sealed := s.head
	sealed.Sealed = true
	keys := []string{p.keys.Meta(p.number), p.keys.Heads(p.number)}
	failpoint.Hit("seal.before_script")
	route, err := p.writeRoute(ctx)
	if err != nil {
		return err
	}
	var answer, confirmation *redis.Cmd
	_, _ = route.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each answer has its error
		answer = sealScript.Eval(ctx, pipe, keys, p.epoch, p.owner, sessionField(s.head.Ref.Key()), s.head.encode(), sealed.encode())
		confirmation = p.await(ctx, pipe)
		return nil
	})
	failpoint.Hit("seal.after_script")
	if err := answer.Err(); err != nil {
		p.moved(ctx, err)
		return p.counted(refusal(err))
	}
	p.confirmed(confirmation)
	s.head = sealed
	s.tree.Shed()
	return nil
}

// Prove marshals the proof of the leaf closest to path in a sealed tree.
func (o *Owner) Prove(ctx context.Context, key chain.SessionKey, path []byte) ([]byte, error) {
	p := o.partitionOf(key)
	p.mu.Lock()
	s, ok := p.sessions[key]
	var head Head
	if ok {
		head = s.head
	}
	p.mu.Unlock()
	if !head.Sealed {
		return nil, fmt.Errorf("%w: no sealed tree of %s of %s", ErrUnknownSession, key.SessionID, key.Supplier)
	}
	proof, err := sessiontree.Prove(ctx, p.source(key), head.Root, path)
	if _, broken := damaged(&treeError{key, err}); !broken {
		return proof, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.repair(ctx, key); err != nil {
		return nil, err
	}
	return sessiontree.Prove(ctx, p.source(key), head.Root, path)
}

// Forget removes everything that Redis holds for key. It may be repeated.
func (o *Owner) Forget(ctx context.Context, key chain.SessionKey) error {
	p := o.partitionOf(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := p.owned(); err != nil {
		return err
	}
	now := time.Now()
	keys := []string{
		p.keys.Meta(p.number), p.keys.Heads(p.number), p.keys.Closed(p.number),
		p.keys.Nodes(key), p.keys.Meter(key), p.keys.Tally(key), p.keys.Doubted(p.number),
	}
	err := forgetScript.Run(ctx, p.rdb, keys, p.epoch, p.owner, sessionField(key), now.Unix(), now.Add(-closedFor).Unix()).Err()
	if err != nil {
		return p.counted(refusal(err))
	}
	delete(p.sessions, key)
	delete(p.wanted, key)
	p.gone[key] = true
	return nil
}
