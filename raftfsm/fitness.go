package raftfsm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// Need is something outside of the group that a leader works with. A leader that
// misses one hands over to a member that misses fewer.
type Need struct {
	Name  string
	Check func(context.Context) error // nil while it is there; called often
	// Holders of partitions need it too.
	Holders bool
}

const (
	needInterval = 500 * time.Millisecond
	needTimeout  = time.Second
	// unfitPatience is how long a leader misses something before it hands over: a
	// hiccup costs less than a change of leaders, and what everybody misses has to
	// be noticed by everybody first.
	unfitPatience = 3 * time.Second
	// yieldEvery bounds how often leadership changes hands for such a reason in the
	// whole group, however often connections come and go.
	yieldEvery = 30 * time.Second
)

// fitness is what this member misses, and when it last gave leadership up for it.
type fitness struct {
	mu      sync.Mutex
	missing []string // names, in the order of Config.Needs
	yielded time.Time
}

func (f *fitness) now() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

func (f *fitness) set(missing []string) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = !slices.Equal(missing, f.missing)
	f.missing = missing
	return changed
}

// sinceYield is the time since this member gave leadership up, 0 if it never did.
func (f *fitness) sinceYield() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.yielded.IsZero() {
		return 0
	}
	return max(1, time.Since(f.yielded))
}

func (f *fitness) noteYield() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.yielded = time.Now()
}

// watchNeeds keeps the fitness up to date until the node closes. Members that do
// not lead do it too: a leader asks them.
func (n *Node) watchNeeds() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-n.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		missing, why := n.checkNeeds(ctx)
		if n.fitness.set(missing) && ctx.Err() == nil {
			n.log.Warn("what a leader needs has come or gone", zap.Strings("missing", missing), zap.Error(why))
		}
		if !n.pause(needInterval) {
			return
		}
	}
}

// checkNeeds says what is missing now.
func (n *Node) checkNeeds(ctx context.Context) (missing []string, why error) {
	ctx, cancel := context.WithTimeout(ctx, needTimeout)
	defer cancel()
	problems := make([]error, len(n.cfg.Needs))
	var checks sync.WaitGroup
	for i, need := range n.cfg.Needs {
		checks.Go(func() { problems[i] = need.Check(ctx) })
	}
	checks.Wait()
	for i, err := range problems {
		if err != nil {
			missing = append(missing, n.cfg.Needs[i].Name)
			why = errors.Join(why, fmt.Errorf("%s: %w", n.cfg.Needs[i].Name, err))
		}
	}
	return missing, why
}

// yieldWhenUnfit hands leadership over when this leader goes on missing something
// and another member is better off. While none is, it stays: a leader that can do
// part of the work is better than none, and an election would cure nothing.
func (n *Node) yieldWhenUnfit(scope context.Context) {
	ticker := time.NewTicker(needInterval)
	defer ticker.Stop()
	var since time.Time
	for {
		select {
		case <-scope.Done():
			return
		case <-ticker.C:
		}
		missing := n.fitness.now()
		if len(missing) == 0 {
			since = time.Time{}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) >= unfitPatience {
			n.yield(scope, missing)
		}
	}
}

// yield tries once to hand over to a member that misses less.
func (n *Node) yield(scope context.Context, missing []string) {
	if n.transfers.spent(n.raft.CurrentTerm()) {
		return
	}
	fitter, ok := n.fitter(len(missing))
	if !ok {
		return
	}
	// What came back for everybody is noticed by one member before the other.
	if missing, _ = n.checkNeeds(scope); len(missing) <= len(fitter.Missing) {
		return
	}
	n.log.Warn("handing over to a member that misses less",
		zap.Strings("missing", missing), zap.String("to", fitter.NodeID), zap.Strings("missing there", fitter.Missing))
	ctx, cancel := context.WithTimeout(scope, handOverTimeout)
	defer cancel()
	n.fitness.noteYield() // whatever comes of it: the answer may be lost with the leadership
	if err := n.TransferLeader(ctx, fitter.NodeID); err != nil && scope.Err() == nil {
		n.log.Warn("cannot hand over", zap.Error(err))
	}
}

// fitter asks the other voters what they miss, and returns the one that misses
// least, if that is less than most, and if nobody handed over a short while ago.
func (n *Node) fitter(most int) (hello, bool) {
	var mu sync.Mutex
	var answers []hello
	var asked sync.WaitGroup
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter || string(s.ID) == n.cfg.NodeID || n.drained(string(s.ID)) {
			continue
		}
		asked.Go(func() {
			h, err := n.stream.probe(string(s.Address), probeTimeout)
			if err != nil || h.NodeID != string(s.ID) || n.judge(h) != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, h)
		})
	}
	asked.Wait()
	recent := func(ago time.Duration) bool { return ago > 0 && ago < yieldEvery }
	if len(answers) == 0 || recent(n.fitness.sinceYield()) || slices.ContainsFunc(answers, func(h hello) bool { return recent(h.Yielded) }) {
		return hello{}, false
	}
	best := slices.MinFunc(answers, func(a, b hello) int {
		return cmp.Or(cmp.Compare(len(a.Missing), len(b.Missing)), cmp.Compare(a.NodeID, b.NodeID))
	})
	return best, len(best.Missing) < most
}
