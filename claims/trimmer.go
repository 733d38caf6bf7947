package claims

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/raftfsm"
)

// trimInterval is how soon a holder notices that a checkpoint covers what it stored.
const trimInterval = time.Second

// Stream is the log of relays behind the partitions that a node holds.
type Stream interface {
	Mark() ingest.Mark
	Heads() []ingest.Head
	Trim(ctx context.Context, mark ingest.Mark) error
}

// Trimmer drops the part of the streams that stored trees and a checkpoint of the
// leader cover. The checkpoint comes to every member through the log, so a holder
// needs no word from the leader. Each member of the group has one.
type Trimmer struct {
	group  Group
	stream Stream
	log    *zap.Logger
	mark   ingest.Mark   // to be trimmed to, nil while there is none
	heads  []ingest.Head // stored when the mark was taken
}

// Group is the replicated state, to look at.
type Group interface {
	View(f func(*raftfsm.State))
}

// NewTrimmer makes the trimmer of one node.
func NewTrimmer(group Group, stream Stream, log *zap.Logger) *Trimmer {
	return &Trimmer{group: group, stream: stream, log: log.Named("trim")}
}

// Run works until ctx ends.
func (t *Trimmer) Run(ctx context.Context) {
	rounds(ctx, trimInterval, t.log, "streams not trimmed, tried again", t.round)
}

// round trims to the mark once it is covered, and takes the next.
func (t *Trimmer) round(ctx context.Context) error {
	if t.mark != nil {
		if !t.covered() {
			return nil
		}
		err := t.stream.Trim(ctx, t.mark)
		t.mark, t.heads = nil, nil
		if err != nil {
			return err
		}
	}
	t.mark = t.stream.Mark()
	t.heads = t.stream.Heads() // after the mark: it is in them
	return nil
}

// covered says that the group knows how far the trees of the mark were. A tree that
// went back is known further; one that is gone needs its relays no more.
func (t *Trimmer) covered() bool {
	there := make(map[chain.SessionKey]bool)
	for _, h := range t.stream.Heads() {
		there[h.Ref.Key()] = true
	}
	all := true
	t.group.View(func(state *raftfsm.State) {
		for _, h := range t.heads {
			s, known := state.Session(h.Ref.Key())
			if !known && there[h.Ref.Key()] ||
				known && s.Stage == raftfsm.StageActive && s.Seq < h.Seq && s.Count <= h.Count {
				all = false
			}
		}
	})
	return all
}
