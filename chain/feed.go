package chain

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// How often the feed asks for a new block: a fifth of the observed block time,
// within these bounds.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
	// statusTimeout bounds one question, so that a node that hangs is noticed.
	statusTimeout = 3 * time.Second
)

// Feed follows the chain's head. Every process has its own, so none is blind
// because another died. Heights only grow.
type Feed struct {
	client *Client
	log    *zap.Logger

	mu      sync.Mutex
	latest  Block
	lastErr error
	changed chan struct{} // closed and replaced at each new block
	spacing time.Duration // smoothed time between blocks
}

// NewFeed makes a feed over client's nodes; Run drives it.
func NewFeed(client *Client, log *zap.Logger) *Feed {
	return &Feed{client: client, log: log, changed: make(chan struct{})}
}

// Run follows the chain until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	for {
		f.poll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(f.interval()):
		}
	}
}

func (f *Feed) poll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := f.client.status(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.lastErr == nil && ctx.Err() == nil {
			f.log.Warn("block feed lost the chain", zap.Error(err))
		}
		f.lastErr = err
		return
	}
	if f.lastErr != nil {
		f.log.Info("block feed follows the chain again", zap.Int64("height", s.block.Height))
	}
	f.lastErr = nil
	f.advance(s.block)
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

// Err is why the newest question to the chain failed, or nil.
func (f *Feed) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
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
