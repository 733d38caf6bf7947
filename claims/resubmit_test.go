package claims

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// at is a feed that stands still.
type at chain.Block

func (a at) Latest() chain.Block { return chain.Block(a) }

func (a at) Next(ctx context.Context, _ int64) (chain.Block, error) {
	<-ctx.Done()
	return chain.Block{}, ctx.Err()
}

func (r *rig) resubmit(id string) (raftfsm.Intent, error) {
	block, _ := r.chain.BlockAt(context.Background(), r.chain.Height)
	r.Engine.feed = at(block)
	return r.Resubmit(context.Background(), chain.SessionKey{Supplier: r.session("a").Ref.Supplier, SessionID: id})
}

func TestResubmitIsGuarded(t *testing.T) {
	r := newRig(t, "a", "b")
	refused := func(when, id string, want error, word string) {
		t.Helper()
		if _, err := r.resubmit(id); !errors.Is(err, want) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v, want %v and %q", when, err, want, word)
		}
	}
	r.log.voters = 2 // claims wait for archives, which do not come
	r.until(rigEnd+3, nil)
	refused("never heard of", "z", raftfsm.ErrNotFound, "z")
	r.trees.incomplete = map[string][]byte{"a": r.session("a").Root}
	refused("incomplete", "a", raftfsm.ErrConflict, "redis lost relays of it")
	r.trees.incomplete = nil
	intent, err := r.resubmit("a")
	if err != nil || intent.Kind != raftfsm.EffectClaim || len(intent.Sessions) != 1 || len(r.chain.Mempool) != 1 {
		t.Fatalf("got %+v, %v, %d transactions sent", intent, err, len(r.chain.Mempool))
	}
	refused("pending", "a", raftfsm.ErrConflict, "under way")
	r.until(rigEnd+4, nil)
	if got, other := r.session("a").Stage, r.session("b").Stage; got != raftfsm.StageClaimed || other != raftfsm.StageSealed {
		t.Errorf("a is %s, b is %s", got, other)
	}
	refused("claimed", "a", raftfsm.ErrConflict, "proofs are taken from")
	r.until(rigSettled, nil)
	refused("settled", "a", raftfsm.ErrConflict, "settled")
	if r.chain.Executed != 3 {
		t.Errorf("%d transactions were executed, want a claim each and the proofs together", r.chain.Executed)
	}
}
