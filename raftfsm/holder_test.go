package raftfsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain"
)

// cabinet is a holder with one tree.
type cabinet struct {
	name  string
	tree  Progress
	asked []string // what it was asked for, in turn
}

func (c *cabinet) SealTree(_ context.Context, key chain.SessionKey, now bool) (Progress, error) {
	c.asked = append(c.asked, fmt.Sprint("seal ", key.SessionID, " ", now))
	switch key {
	case c.tree.Ref.Key():
		return c.tree, nil
	case ref(supplier, "elsewhere").Key():
		return Progress{}, fmt.Errorf("%s: %w", c.name, ErrNotHeld)
	}
	return Progress{}, fmt.Errorf("%s: %w", c.name, ErrNoTree)
}

func (c *cabinet) ForgetTree(_ context.Context, key chain.SessionKey) error {
	c.asked = append(c.asked, "forget "+key.SessionID)
	return nil
}

func (c *cabinet) ProveTree(_ context.Context, key chain.SessionKey, root, path []byte) ([]byte, error) {
	if key != c.tree.Ref.Key() || !bytes.Equal(root, c.tree.Root) {
		return nil, ErrNoTree
	}
	return append([]byte(c.name+" proves "), path...), nil
}

// The leader has trees sealed and forgotten where they are held. That there is no
// tree is an answer of its own: a session ends with it.
func TestHoldersSealForTheLeader(t *testing.T) {
	cabinets := make(map[string]*cabinet)
	c := startLoopbackWith(t, 3, func(cfg *Config) {
		cabinets[cfg.NodeID] = &cabinet{name: cfg.NodeID, tree: Progress{
			Ref: ref(supplier, "s"), Seq: 4, Root: root(3), Count: 7, Sum: 70,
		}}
		cfg.Holder = cabinets[cfg.NodeID]
	})
	leader, epoch := c.leader()
	var holder *member
	for _, m := range c.members {
		serveAdmin(t, m)
		if m != leader {
			holder = m
		}
	}
	waitFor(t, "the epoch on the holder", func() bool { return holder.node.Status().Epoch == epoch })
	at := holder.cfg.NodeID
	seal := func(e Epoch, member, session string) error {
		now := e.Compare(epoch) > 0
		got, err := leader.node.SealAt(t.Context(), member, e, ref(supplier, session).Key(), now)
		if want := cabinets[at].tree; err == nil && (got.Ref != want.Ref || got.Seq != want.Seq || string(got.Root) != string(want.Root) ||
			got.Count != want.Count || got.Sum != want.Sum) {
			t.Errorf("sealed %+v, want %+v", got, want)
		}
		return err
	}
	past := Epoch{Generation: epoch.Generation, Term: epoch.Term - 1}
	later := Epoch{Generation: epoch.Generation, Term: epoch.Term + 1}
	if err := seal(epoch, at, "s"); err != nil {
		t.Error(err)
	}
	if err := seal(later, at, "s"); err != nil {
		t.Errorf("a leader that the holder has not heard of yet: %v", err)
	}
	if got := cabinets[at].asked; !slices.Equal(got, []string{"seal s false", "seal s true"}) {
		t.Errorf("asked to %q, want once to seal, and once to do it now", got)
	}
	if err := seal(epoch, at, "unknown"); !errors.Is(err, ErrNoTree) {
		t.Errorf("no tree: got %v, want %v", err, ErrNoTree)
	}
	if err := seal(epoch, at, "elsewhere"); err == nil || errors.Is(err, ErrNoTree) || errors.Is(err, ErrUnreachable) {
		t.Errorf("a partition that is elsewhere: got %v", err)
	}
	if err := seal(epoch, "miner-9", "s"); err == nil || errors.Is(err, ErrNoTree) {
		t.Errorf("a member there is not: got %v", err)
	}
	asked := len(cabinets[at].asked)
	if err := seal(past, at, "s"); err == nil || errors.Is(err, ErrNoTree) {
		t.Errorf("a leader of the past: got %v", err)
	}
	if len(cabinets[at].asked) != asked {
		t.Error("a leader of the past was heeded")
	}
	if err := leader.node.ForgetAt(t.Context(), at, epoch, ref(supplier, "s").Key()); err != nil {
		t.Error(err)
	}
	if last := cabinets[at].asked[len(cabinets[at].asked)-1]; last != "forget s" {
		t.Errorf("asked to %q, want to forget", last)
	}
	proof := func(e Epoch, root []byte) ([]byte, error) {
		return leader.node.ProveAt(t.Context(), at, e, ref(supplier, "s").Key(), root, []byte("path"))
	}
	if got, err := proof(epoch, root(3)); string(got) != at+" proves path" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := proof(epoch, root(4)); status.Code(err) != codes.NotFound {
		t.Errorf("another root: got %v", err)
	}
	if _, err := proof(past, root(3)); err == nil {
		t.Error("a leader of the past got a proof")
	}
	c.kill(holder)
	if err := seal(epoch, at, "s"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a holder that is dead: got %v, want %v", err, ErrUnreachable)
	}
}
