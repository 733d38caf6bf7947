package claims

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/archive"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// archivePoll is how soon a node notices that a session was sealed: claims
	// wait for it.
	archivePoll = 100 * time.Millisecond
	// archiveRetry is the wait before a tree that could not be read is tried again.
	archiveRetry = time.Second
	// archiveSweep is how often files of sessions that ended are looked for, and
	// archiveKeep the age from which one that the group does not know is removed.
	archiveSweep = time.Minute
	archiveKeep  = 14 * 24 * time.Hour
	// reportTimeout bounds a report to the leader.
	reportTimeout = 5 * time.Second
)

// Records is the group, as a node that archives sees it.
type Records interface {
	View(f func(*raftfsm.State))
	ReportArchived(ctx context.Context, trees []raftfsm.ArchivedTree) error
}

// Archivist keeps the leaves of every sealed tree on this node's disk until its
// session has ended. Each member of the group has one, whoever leads.
type Archivist struct {
	node    string
	group   Records
	archive *archive.Archive
	leaves  func(ctx context.Context, key chain.SessionKey, weight uint64) archive.Leaves
	log     *zap.Logger

	kept       map[chain.SessionKey]bool      // trees that were seen on the disk
	retry      map[chain.SessionKey]time.Time // when a tree that failed is tried again
	incomplete incompleteTrees
	swept      time.Time

	stored prometheus.Counter
	failed prometheus.Counter
	files  prometheus.Gauge
}

// NewArchivist makes the archivist of node. leaves reads the relays of a sealed
// tree from where they are.
func NewArchivist(node string, group Records, files *archive.Archive,
	leaves func(ctx context.Context, key chain.SessionKey, weight uint64) archive.Leaves, reg prometheus.Registerer, log *zap.Logger,
) *Archivist {
	f := promauto.With(reg)
	return &Archivist{
		node: node, group: group, archive: files, leaves: leaves, log: log.Named("archive"),
		kept:   make(map[chain.SessionKey]bool),
		retry:  make(map[chain.SessionKey]time.Time),
		stored: f.NewCounter(prometheus.CounterOpts{Name: "ha_miner_trees_archived_total", Help: "Sealed trees written to this node's disk."}),
		failed: f.NewCounter(prometheus.CounterOpts{Name: "ha_miner_tree_archive_errors_total", Help: "Sealed trees that could not be archived; tried again."}),
		files:  f.NewGauge(prometheus.GaugeOpts{Name: "ha_miner_trees_archived", Help: "Sealed trees on this node's disk."}),
	}
}

// Run works until ctx ends.
func (a *Archivist) Run(ctx context.Context) {
	ticker := time.NewTicker(archivePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			a.round(ctx, now)
		}
	}
}

// round archives what is sealed, tells the group, and drops what has ended.
func (a *Archivist) round(ctx context.Context, now time.Time) {
	var done []raftfsm.ArchivedTree
	for _, s := range a.due(now) {
		if ctx.Err() != nil {
			return
		}
		err := a.keep(ctx, s)
		a.incomplete.note(s, err)
		if err != nil {
			a.failed.Inc()
			a.retry[s.Ref.Key()] = now.Add(archiveRetry)
			a.log.Warn("sealed tree not archived", append(sessionFields(s.Ref), zap.Error(err))...)
			continue
		}
		delete(a.retry, s.Ref.Key())
		a.kept[s.Ref.Key()] = true
		if !slices.Contains(s.Archives, a.node) {
			done = append(done, raftfsm.ArchivedTree{Key: s.Ref.Key(), Root: s.Root})
		}
	}
	if len(done) > 0 {
		reportCtx, cancel := context.WithTimeout(ctx, reportTimeout)
		err := a.group.ReportArchived(reportCtx, done)
		cancel()
		if err != nil {
			a.log.Debug("archived trees not reported, trying again", zap.Int("trees", len(done)), zap.Error(err))
		}
	}
	if now.Sub(a.swept) >= archiveSweep {
		a.swept = now
		if err := a.sweep(now); err != nil {
			a.log.Warn("archive not swept", zap.Error(err))
		}
	}
}

// Incomplete says that Redis did not have all leaves of a sealed root when they were
// last read.
func (a *Archivist) Incomplete(key chain.SessionKey, root []byte) bool {
	return a.incomplete.has(key, root)
}

// due are the sealed sessions that the group does not know to be on this node, or
// that were not seen there: a member may come back under its name with an empty disk.
func (a *Archivist) due(now time.Time) (sessions []raftfsm.Session) {
	a.group.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			settled := a.kept[s.Ref.Key()] && slices.Contains(s.Archives, a.node)
			if sealedOpen(s) && !settled && !now.Before(a.retry[s.Ref.Key()]) {
				sessions = append(sessions, s)
			}
		}
	})
	return sessions
}

// sealedOpen says that a proof of s may still be needed.
func sealedOpen(s raftfsm.Session) bool {
	return (s.Stage == raftfsm.StageSealed || s.Stage == raftfsm.StageClaimed) && s.Count > 0
}

func (a *Archivist) keep(ctx context.Context, s raftfsm.Session) error {
	if a.archive.Has(s.Ref.Key(), s.Root) {
		return nil
	}
	weight := s.Sum / s.Count // relays of a session weigh the same
	t := archive.Tree{Ref: s.Ref, Root: s.Root, Count: s.Count, Weight: weight}
	if err := a.archive.Write(t, a.leaves(ctx, s.Ref.Key(), weight)); err != nil {
		return err
	}
	a.stored.Inc()
	return nil
}

// sweep removes trees whose session has ended, and old ones of which nothing is
// known. A node that is behind knows little: it removes nothing else.
func (a *Archivist) sweep(now time.Time) error {
	entries, err := a.archive.List()
	if err != nil {
		return err
	}
	var gone []chain.SessionKey
	open := make(map[chain.SessionKey]bool)
	a.group.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			open[s.Ref.Key()] = sealedOpen(s)
		}
		for _, e := range entries {
			s, known := state.Session(e.Key)
			if known && s.Stage.Terminal() || !known && now.Sub(e.ModTime()) > archiveKeep {
				gone = append(gone, e.Key)
			}
		}
	})
	a.files.Set(float64(len(entries) - len(gone)))
	a.incomplete.sweep(open)
	for _, key := range gone {
		delete(a.kept, key)
		if err := a.archive.Remove(key); err != nil {
			return fmt.Errorf("remove session %s of %s: %w", key.SessionID, key.Supplier, err)
		}
	}
	maps.DeleteFunc(a.retry, func(_ chain.SessionKey, at time.Time) bool { return now.Sub(at) > archiveSweep })
	return nil
}
