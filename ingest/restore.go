package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

// Archived tells relayers that nobody needs the relays of sealed sessions from them
// any more. Sessions of partitions that are not owned, and those of which it was
// said before, are passed over.
func (o *Owner) Archived(ctx context.Context, sessions []chain.SessionKey) error {
	return o.byPartition(sessions, func(p *partition, keys []chain.SessionKey) error {
		var fresh []chain.SessionKey
		for _, key := range keys {
			if !p.gone[key] {
				fresh = append(fresh, key)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		if err := p.markClosed(ctx, closingArchived, fresh...); err != nil {
			return err
		}
		for _, key := range fresh {
			p.gone[key] = true
			delete(p.wanted, key)
		}
		return nil
	})
}

// Restore looks whether Redis has the sealed trees that only it has, and asks
// relayers for the relays of those that it lost. Those of partitions that are not
// owned are passed over.
func (o *Owner) Restore(ctx context.Context, sealed []Known) error {
	byKey := make(map[chain.SessionKey]Known, len(sealed))
	var sessions []chain.SessionKey
	for _, k := range sealed {
		byKey[k.Ref.Key()] = k
		sessions = append(sessions, k.Ref.Key())
	}
	var lost []Known
	err := o.byPartition(sessions, func(p *partition, keys []chain.SessionKey) error {
		missing, err := p.unsealed(ctx, keys)
		if err != nil || len(missing) == 0 {
			return err
		}
		if err := p.reacquire(ctx); err != nil { // what is in memory is not stored
			return err
		}
		for _, key := range missing {
			lost = append(lost, byKey[key])
		}
		return nil
	})
	return errors.Join(err, o.Reconcile(ctx, lost))
}

// byPartition hands owned partitions their sessions, one partition at a time.
func (o *Owner) byPartition(sessions []chain.SessionKey, do func(*partition, []chain.SessionKey) error) error {
	byNumber := make([][]chain.SessionKey, len(o.parts))
	for _, key := range sessions {
		n := o.keys.Partition(key)
		byNumber[n] = append(byNumber[n], key)
	}
	var errs []error
	for n, keys := range byNumber {
		p := o.parts[n]
		p.mu.Lock()
		if p.reader != nil && len(keys) > 0 {
			if err := do(p, keys); err != nil {
				errs = append(errs, fmt.Errorf("partition %d: %w", n, err))
			}
		}
		p.mu.Unlock()
	}
	return errors.Join(errs...)
}

// unsealed are those of keys whose heads Redis lost, or the seals of them, unless
// that is known.
func (p *partition) unsealed(ctx context.Context, keys []chain.SessionKey) (missing []chain.SessionKey, _ error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var asked []chain.SessionKey
	var fields []string
	for _, key := range keys {
		if p.wanted[key] == nil && !p.gone[key] {
			asked, fields = append(asked, key), append(fields, sessionField(key))
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	stored, err := p.rdb.HMGet(ctx, p.keys.Heads(p.number), fields...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	for i, value := range stored {
		if text, ok := value.(string); ok {
			head, err := decodeHead([]byte(text))
			if err != nil {
				return nil, fmt.Errorf("session %s: %w", fields[i], err)
			}
			if head.Sealed {
				continue
			}
		}
		missing = append(missing, asked[i])
	}
	return missing, nil
}

// want asks relayers for the relays of a sealed session. They are taken like those of
// an open one until the tree has its sealed root again.
func (p *partition) want(ctx context.Context, k Known) error {
	key := k.Ref.Key()
	if p.wanted[key] != nil {
		return nil
	}
	if err := p.markClosed(ctx, askedAt(time.Now()), key); err != nil {
		return err
	}
	if p.wanted == nil {
		p.wanted = make(map[chain.SessionKey][]byte)
	}
	p.wanted[key] = k.Root
	p.log.Warn("redis lost a sealed tree that is not archived: its relays are asked for again",
		append(sessionFields(k.Ref), zap.Uint64("relays", k.Count))...)
	return nil
}

// reseal seals the stored trees that have their sealed roots again.
func (p *partition) reseal(ctx context.Context) error {
	for key, root := range p.wanted {
		s, ok := p.sessions[key]
		if !ok || !bytes.Equal(s.head.Root, root) {
			continue
		}
		if !s.head.Sealed {
			if err := p.seal(ctx, s); err != nil {
				return p.recover(ctx, fmt.Errorf("seal session %s again: %w", key.SessionID, err))
			}
		}
		delete(p.wanted, key)
		p.metrics.restored.Inc()
		p.log.Info("a sealed tree that redis had lost is back", append(sessionFields(s.head.Ref), zap.Uint64("relays", s.head.Count))...)
	}
	return nil
}
