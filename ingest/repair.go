package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// treeError says whose tree an operation failed on.
type treeError struct {
	key chain.SessionKey
	err error
}

func (e *treeError) Error() string {
	return fmt.Sprintf("tree of session %s of %s: %v", e.key.SessionID, e.key.Supplier, e.err)
}
func (e *treeError) Unwrap() error { return e.err }

// damaged returns the session whose stored nodes cannot be read, if that is
// what err is about.
func damaged(err error) (chain.SessionKey, bool) {
	var tree *treeError
	if errors.As(err, &tree) && (errors.Is(err, sessiontree.ErrNodeMissing) || errors.Is(err, sessiontree.ErrCorrupt)) {
		return tree.key, true
	}
	return chain.SessionKey{}, false
}

// errUnrepaired: the root of a sealed tree cannot be reached any more.
var errUnrepaired = errors.New("relays of the sealed tree are lost")

// repair builds a tree again whose nodes Redis has lost in part. Inner nodes
// follow from the leaves; leaves that are lost too are looked for in the stream.
// An open session goes on with what there is, and what is not is reported.
func (p *partition) repair(ctx context.Context, key chain.SessionKey) error {
	s, ok := p.sessions[key]
	if !ok {
		return nil
	}
	tree := sessiontree.New(nil).Sharing(s.header)
	if err := p.regrow(ctx, s, tree); err != nil {
		return fmt.Errorf("repair session %s: %w", key.SessionID, err)
	}
	delta, err := tree.Commit()
	if err != nil {
		return fmt.Errorf("repair session %s: %w", key.SessionID, err)
	}
	log := p.log.With(zap.String("supplier", key.Supplier), zap.String("session", key.SessionID), zap.Uint64("relays", s.head.Count))
	whole := bytes.Equal(delta.Root, s.head.Root)
	if s.head.Sealed && !whole {
		log.Error("tree lost nodes after its seal and cannot be proven", zap.Uint64("relays_left", delta.Count))
		return fmt.Errorf("repair session %s: %w: %d of %d are left", key.SessionID, errUnrepaired, delta.Count, s.head.Count)
	}
	c := change{session: s, head: s.head, delta: delta}
	if !whole {
		c.head.Seq++
		c.head.Root, c.head.Count, c.head.Sum = delta.Root, delta.Count, delta.Sum
	}
	if err := p.restore(ctx, c, whole); err != nil {
		return fmt.Errorf("repair session %s: %w", key.SessionID, err)
	}
	p.metrics.repaired.Inc()
	if lost := s.head.Count - min(s.head.Count, delta.Count); lost > 0 {
		p.metrics.lost.Add(float64(lost))
		log.Error("tree lost relays that are nowhere else", zap.Uint64("relays_lost", lost))
	} else {
		log.Warn("tree had lost nodes and was repaired")
	}
	p.sessions[key] = p.resume(c.head)
	return nil
}

// regrow adds to tree every relay of s that the nodes or the stream still hold.
func (p *partition) regrow(ctx context.Context, s *session, tree *sessiontree.Tree) error {
	add := func(relay []byte) error {
		_, err := tree.Add(sessiontree.Path(relay), relay, s.head.Weight)
		return err
	}
	for relay, err := range Leaves(ctx, p.rdb, p.keys, s.head.Ref.Key(), s.head.Weight) {
		if err != nil {
			return err
		}
		if err := add(relay); err != nil {
			return err
		}
	}
	return p.replay(ctx, s, add)
}

// replay hands the relays of s that the stream holds up to the cursor to add.
func (p *partition) replay(ctx context.Context, s *session, add func([]byte) error) error {
	for from := (streamID{0, 1}); from.compare(p.cursor) <= 0; {
		entries, err := p.rdb.XRangeN(ctx, p.keys.Stream(p.number), from.String(), p.cursor.String(), scanCount).Result()
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		for _, entry := range entries {
			id, err := parseStreamID(entry.ID)
			if err != nil {
				return err
			}
			from = id.next()
			weight, text, err := entryOf(entry.Values)
			if err != nil || weight != s.head.Weight {
				continue
			}
			relay := []byte(text)
			if ref, err := refOf(relay); err != nil || ref != s.head.Ref {
				continue
			}
			if err := add(relay); err != nil {
				return err
			}
		}
		if len(entries) == 0 {
			return nil
		}
	}
	return nil
}

// restore writes a tree that was grown again: the nodes, and unless its root is
// the stored one the head.
func (p *partition) restore(ctx context.Context, c change, whole bool) error {
	ctx = context.WithoutCancel(ctx)
	p.flushes++
	staged, err := p.stage(ctx, []change{c})
	if err != nil || whole {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err = p.commit(ctx, staged, []change{c})
	return err
}
