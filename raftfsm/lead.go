package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// Why a lead ended, as the cause of its context.
var (
	ErrLeadershipLost = errors.New("leadership was lost")
	// ErrLeadEnded stands for a lead that returned nil: a leader must not idle.
	ErrLeadEnded = errors.New("lead returned while this node leads")
	// ErrWedged stops a leader whose writes no longer commit.
	ErrWedged = errors.New("leader cannot commit")
)

const (
	handOverTimeout = 2 * time.Second
	pulseInterval   = time.Second
	wedgedBeats     = 5               // so many without a write, and the leader stops
	abandonAfter    = 2 * time.Second // a failed node does not wait longer for lead
)

// Run calls lead each time this node opened an epoch of its own, with a context
// that ends with the leadership, and waits for it to return before anything
// else. Only then does the node count as the leader of its cluster.
//
// When ctx ends, Run hands over to a follower that is up to date, if there is
// one, and shuts down. When lead fails while this node still leads, Run hands
// over and goes on as a follower, or returns the error if nobody can take over.
func (n *Node) Run(ctx context.Context, lead func(ctx context.Context, epoch Epoch) error) error {
	for {
		leader, changed := n.leadership.now()
		if leader {
			if err := n.leadTerm(ctx, changed, lead); err != nil {
				return errors.Join(err, n.Close())
			}
		}
		select {
		case <-n.failed:
			return errors.Join(n.failure, n.Close())
		case <-ctx.Done():
			n.handOver()
			return n.Close()
		case <-n.closed:
			return ErrClosed
		case <-changed:
		}
	}
}

// leadTerm leads until changed closes, ctx ends or the node fails. An error means
// that the node must stop.
func (n *Node) leadTerm(
	ctx context.Context, changed <-chan struct{}, lead func(context.Context, Epoch) error,
) error {
	scope, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-changed:
			cancel(ErrLeadershipLost)
		case <-n.failed:
			cancel(n.failure)
		case <-n.closed:
			cancel(ErrClosed)
		case <-scope.Done():
		}
	}()
	go n.pulse(scope)
	if len(n.cfg.Needs) > 0 {
		go n.yieldWhenUnfit(scope)
	}

	err := n.leadUnlessDrained(scope, lead)
	if scope.Err() != nil {
		n.log.Info("stopped leading", zap.NamedError("cause", context.Cause(scope)), zap.Error(err))
		return nil
	}
	if err == nil {
		err = ErrLeadEnded
	}
	n.log.Error("cannot lead", zap.Error(err))
	cancel(err)
	return n.giveUp(err)
}

// leadUnlessDrained hands over what a drained node was elected to, and leads if
// nobody else can: a leader that would rather not is better than none.
func (n *Node) leadUnlessDrained(scope context.Context, lead func(context.Context, Epoch) error) error {
	if !n.drained(n.cfg.NodeID) {
		return n.leadEpoch(scope, lead)
	}
	ctx, cancel := context.WithTimeout(scope, handOverTimeout)
	err := n.TransferLeader(ctx, "")
	cancel()
	if err == nil {
		<-scope.Done() // the word that leadership is gone is on its way
		return nil
	}
	n.log.Warn("drained, but nobody else can lead", zap.Error(err))
	return n.leadEpoch(scope, lead)
}

// leadEpoch opens an epoch and runs lead in it.
func (n *Node) leadEpoch(scope context.Context, lead func(context.Context, Epoch) error) error {
	epoch, err := n.openEpoch(scope)
	if err != nil {
		return err
	}
	n.log.Info("leading", zap.Stringer("epoch", epoch))
	n.leading.Store(&epoch)
	defer n.leading.Store(nil)
	go n.enrol(scope, epoch)
	done := make(chan error, 1)
	go func() { done <- lead(scope, epoch) }()
	select {
	case err := <-done:
		return err
	case <-n.failed:
	}
	// The disk may hang under lead as well.
	select {
	case err := <-done:
		return err
	case <-time.After(abandonAfter):
		return fmt.Errorf("lead did not end within %s: %w", abandonAfter, n.failure)
	}
}

// openEpoch makes this leader the owner of an epoch that nobody had before. Being
// told to lead is not enough: another node may have been told since.
//
// The command is applied behind all that came before it, so what this replica has
// applied until now is enough to make it from: if that was too old, it is refused.
// Only then, and in a new cluster, is there a round of the group more, while nobody
// leads.
func (n *Node) openEpoch(ctx context.Context) (Epoch, error) {
	init := Init{ClusterID: n.cfg.ClusterID, Partitions: n.cfg.Partitions}
	var begun bool
	n.View(func(s *State) { begun = s.ClusterID() == init.ClusterID && s.Partitions() == init.Partitions })
	if begun {
		epoch, err := n.openNext(ctx)
		if !errors.Is(err, ErrStaleEpoch) {
			return epoch, err
		}
	}
	if err := n.barrier(ctx); err != nil {
		return Epoch{}, fmt.Errorf("open epoch: %w", err)
	}
	if _, err := n.Apply(ctx, init); err != nil {
		return Epoch{}, fmt.Errorf("open epoch: %w", err)
	}
	return n.openNext(ctx)
}

// openNext opens the epoch that follows from what is applied here.
func (n *Node) openNext(ctx context.Context) (Epoch, error) {
	epoch := Epoch{Term: n.raft.CurrentTerm()}
	n.View(func(s *State) { epoch.Generation = s.Generation() })
	if _, err := n.Apply(ctx, OpenEpoch{Epoch: epoch, Owner: n.owner}); err != nil {
		return Epoch{}, fmt.Errorf("open epoch %s: %w", epoch, err)
	}
	return epoch, nil
}

// pulse stops a leader whose writes do not commit any more. Its heartbeats, and
// even VerifyLeader, can go on working while it is wedged.
//
// Beats are counted, not time: a process that was stopped for long has missed one
// when it wakes up, and finds out that it was replaced before it misses another.
func (n *Node) pulse(scope context.Context) {
	ticker := time.NewTicker(pulseInterval)
	defer ticker.Stop()
	missed := 0
	for {
		select {
		case <-scope.Done():
			return
		case <-ticker.C:
		}
		if time.Since(n.lastWrite.get()) < 2*pulseInterval {
			missed = 0
			continue
		}
		beat, cancel := context.WithTimeout(scope, pulseInterval)
		err := n.barrier(beat)
		cancel()
		if err == nil {
			missed = 0
		} else if missed++; missed >= wedgedBeats && scope.Err() == nil {
			n.fail(fmt.Errorf("%w for %d beats of %s: %w", ErrWedged, missed, pulseInterval, err))
		}
	}
}

// giveUp passes leadership on after err. The error comes back if that fails: a
// leader that does nothing is worse than none.
func (n *Node) giveUp(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), handOverTimeout)
	defer cancel()
	handErr := n.TransferLeader(ctx, "")
	if handErr == nil || n.raft.State() != raft.Leader { // also if it was taken meanwhile
		return nil
	}
	return fmt.Errorf("%w; nobody could take over: %w", err, handErr)
}

// handOver passes leadership on before a shutdown, so that nobody waits for an
// election timeout.
func (n *Node) handOver() {
	ctx, cancel := context.WithTimeout(context.Background(), handOverTimeout)
	defer cancel()
	if err := n.TransferLeader(ctx, ""); err != nil && !errors.Is(err, ErrNotLeader) {
		n.log.Warn("shutting down without handing over", zap.Error(err))
	}
}
