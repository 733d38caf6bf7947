package claims

import (
	"context"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// keeper notes what a retention says.
type keeper struct {
	archived []chain.SessionKey
	only     []ingest.Known
}

func (k *keeper) Archived(_ context.Context, sessions []chain.SessionKey) error {
	k.archived = sessions
	return nil
}

func (k *keeper) Restore(_ context.Context, sealed []ingest.Known) error {
	k.only = sealed
	return nil
}

// Relayers keep relays until as many members have the sealed tree as a claim waits for.
func TestRelaysAreKeptUntilTheArchive(t *testing.T) {
	for name, row := range map[string]struct {
		voters   int
		archives []string
		sealed   bool
		needed   bool
	}{
		"open":                         {voters: 3},
		"sealed":                       {voters: 3, sealed: true, needed: true},
		"on one of three":              {voters: 3, sealed: true, archives: []string{"a"}, needed: true},
		"on two of three":              {voters: 3, sealed: true, archives: []string{"a", "b"}},
		"on one of one":                {voters: 1, sealed: true, archives: []string{"a"}},
		"the group is not known yet":   {sealed: true, needed: true},
		"on one that is no member":     {voters: 1, sealed: true, archives: []string{"stranger"}, needed: true},
		"on one, and on one that left": {voters: 3, sealed: true, archives: []string{"a", "stranger"}, needed: true},
	} {
		r := newRig(t, "s")
		head := r.trees.Heads(t.Context())[0]
		apply := func(cmd raftfsm.Command) {
			t.Helper()
			if _, err := r.log.Apply(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
		for _, node := range []string{"a", "b"} {
			apply(raftfsm.Admit{Epoch: r.epoch, NodeID: node, Instance: "directory of " + node})
		}
		if err := r.progress(head); err != nil {
			t.Fatal(err)
		}
		if row.sealed {
			apply(raftfsm.Seal{Epoch: r.epoch, Ref: head.Ref, Root: head.Root, Count: head.Count, Sum: head.Sum, Seq: head.Seq})
		}
		for _, node := range row.archives {
			apply(raftfsm.Archived{Epoch: r.epoch, Node: node, Trees: []raftfsm.ArchivedTree{{Key: head.Ref.Key(), Root: head.Root}}})
		}
		r.log.voters = row.voters
		var k keeper
		if err := NewRetention(r.log, &k, zap.NewNop()).round(t.Context()); err != nil {
			t.Fatal(err)
		}
		archived := slices.Contains(k.archived, head.Ref.Key())
		needed := len(k.only) == 1 && k.only[0].Ref == head.Ref && slices.Equal(k.only[0].Root, head.Root) && k.only[0].Sealed
		if archived != (row.sealed && !row.needed) || needed != row.needed {
			t.Errorf("%s: archived %v, in redis only %v, want %v of a session that is sealed: %v", name, archived, needed, row.needed, row.sealed)
		}
	}
}
