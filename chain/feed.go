package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// How often the feed asks each node for a new block: a fifth of the observed block
// time, within these bounds.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
	// statusTimeout bounds one question, so that a node that hangs is noticed.
	statusTimeout = 3 * time.Second
)

// Feed follows the chain's head on all full nodes, so that none of them can hold it
// up. Every process has its own, so none is blind because another died. Heights only
// grow.
type Feed struct {
	client *Client
	log    *zap.Logger

	mu      sync.Mutex
	latest  Block
	lost    error         // why no node can be asked
	changed chan struct{} // closed and replaced at each new block
	spacing time.Duration // smoothed time between blocks
}

// NewFeed makes a feed over client's nodes; Run drives it.
func NewFeed(client *Client, log *zap.Logger) *Feed {
	return &Feed{client: client, log: log, changed: make(chan struct{})}
}

// Run follows the chain until ctx ends. It also keeps the client's view of which
// nodes are fit to be asked.
func (f *Feed) Run(ctx context.Context) error {
	var followers sync.WaitGroup
	for _, each := range f.client.nodes.list {
		followers.Go(func() { f.follow(ctx, each) })
	}
	followers.Wait()
	return nil
}

// follow looks at one node until ctx ends.
func (f *Feed) follow(ctx context.Context, each *node) {
	var out error // why it is not asked
	for ctx.Err() == nil {
		f.look(ctx, each)
		if err := f.client.nodes.judge(each); (err == nil) != (out == nil) && ctx.Err() == nil {
			f.log.Warn("a full node is asked, or not any more", zap.String("node", each.setting), zap.String("host", each.host), zap.NamedError("not, because", err))
			out = err
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.interval()):
		}
	}
}

func (f *Feed) look(ctx context.Context, each *node) {
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, ok := f.client.nodes.look(limited, each)
	lost := f.client.nodes.lost()
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok {
		f.advance(s.block)
		f.client.nodes.metrics.head.Set(float64(f.latest.Height))
	}
	switch {
	case lost != nil && f.lost == nil && ctx.Err() == nil:
		f.log.Warn("block feed lost the chain", zap.Error(lost))
	case lost == nil && f.lost != nil:
		f.log.Info("block feed follows the chain again", zap.Int64("height", f.latest.Height))
	}
	f.lost = lost
}

// lost is why no node at all can be asked, or nil.
func (n *nodes) lost() error {
	var errs []error
	for _, each := range n.list {
		err := n.judge(each)
		if err == nil && each.use.serves(UseRead) {
			return nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", each.setting, err))
		}
	}
	return errors.Join(errs...)
}

// advance moves the head; the caller holds mu.
func (f *Feed) advance(b Block) {
	if b.Height <= f.latest.Height {
		return
	}
	if f.latest.Height > 0 {
		perBlock := b.Time.Sub(f.latest.Time) / time.Duration(b.Height-f.latest.Height)
		f.spacing = (3*f.spacing + perBlock) / 4
	}
	f.latest = b
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Feed) interval() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(minPoll, min(maxPoll, f.spacing/5))
}

// Latest is the newest block seen; its height is 0 before the first one.
func (f *Feed) Latest() Block {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latest
}

// Err is why no full node can be asked, or nil.
func (f *Feed) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// Next waits until the head is above height and returns it.
func (f *Feed) Next(ctx context.Context, height int64) (Block, error) {
	for {
		f.mu.Lock()
		latest, changed := f.latest, f.changed
		f.mu.Unlock()
		if latest.Height > height {
			return latest, nil
		}
		select {
		case <-ctx.Done():
			return Block{}, ctx.Err()
		case <-changed:
		}
	}
}
