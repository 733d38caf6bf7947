package claims

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// retentionInterval is how soon relayers may let go of relays after their tree was
// archived, and how soon it is noticed that Redis lost one that was not.
const retentionInterval = time.Second

// SealedTrees are those of the partitions that a node holds; *ingest.Owner has some.
type SealedTrees interface {
	Archived(ctx context.Context, sessions []chain.SessionKey) error
	Restore(ctx context.Context, sealed []ingest.Known) error
}

// Electorate is the group as Retention sees it.
type Electorate interface {
	Group
	Voters() int
}

// Retention tells relayers, through Redis, how long to keep the relays they
// published: until enough members have the sealed tree on their disks. Until then
// it looks whether Redis has it, and has relayers bring again what Redis lost. Each
// member of the group has one, for the partitions that it holds.
type Retention struct {
	group Electorate
	trees SealedTrees
	log   *zap.Logger
}

// NewRetention makes the retention of one node.
func NewRetention(group Electorate, trees SealedTrees, log *zap.Logger) *Retention {
	return &Retention{group: group, trees: trees, log: log.Named("retention")}
}

// Run works until ctx ends.
func (r *Retention) Run(ctx context.Context) {
	rounds(ctx, retentionInterval, r.log, "sealed trees not looked after, tried again", r.round)
}

func (r *Retention) round(ctx context.Context) error {
	var archived []chain.SessionKey
	var only []ingest.Known
	voters := r.group.Voters()
	r.group.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			switch root := NeededRoot(state, s, voters); {
			case s.Stage == raftfsm.StageActive:
			case root == nil:
				archived = append(archived, s.Ref.Key())
			default:
				only = append(only, ingest.Known{Ref: s.Ref, Sealed: true, Count: s.Count, Root: root})
			}
		}
	})
	return errors.Join(r.trees.Archived(ctx, archived), r.trees.Restore(ctx, only))
}
