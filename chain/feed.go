package chain

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Feed follows the chain's head on all full nodes, so that none of them can hold it
// up: two of them push new blocks, and all are polled, often only while nothing is
// pushed. Every process has its own, so none is blind because another died. Heights
// only grow.
type Feed struct {
	client *Client
	log    *zap.Logger
	seats  chan struct{} // taken by the nodes that push

	mu      sync.Mutex
	latest  Block
	lost    error         // why no node can be asked
	changed chan struct{} // closed and replaced at each new block
	spacing time.Duration // smoothed time between blocks
	pushing int           // nodes that have pushed a block and are still subscribed to
	pushed  int64         // the highest block that a node pushed
	gap     int64         // most blocks that were passed over at once
}

// NewFeed makes a feed over client's nodes; Run drives it.
func NewFeed(client *Client, log *zap.Logger) *Feed {
	return &Feed{client: client, log: log, seats: make(chan struct{}, subscriptions), changed: make(chan struct{})}
}

// Run follows the chain until ctx ends. It also keeps the client's view of which
// nodes are fit to be asked.
func (f *Feed) Run(ctx context.Context) error {
	var followers sync.WaitGroup
	for _, each := range f.client.nodes.list {
		followers.Go(func() { f.follow(ctx, each) })
		if each.use.serves(UseRead) {
			followers.Go(func() { f.listen(ctx, each) })
		}
	}
	followers.Wait()
	return nil
}

// advance moves the head; the caller holds mu.
func (f *Feed) advance(b Block) {
	if b.Height <= f.latest.Height {
		return
	}
	if f.latest.Height > 0 {
		perBlock := b.Time.Sub(f.latest.Time) / time.Duration(b.Height-f.latest.Height)
		f.spacing = (3*f.spacing + perBlock) / 4
		f.gap = max(f.gap, b.Height-f.latest.Height-1)
	}
	f.latest = b
	close(f.changed)
	f.changed = make(chan struct{})
}

// show tells the metrics; the caller holds mu.
func (f *Feed) show() {
	f.client.nodes.metrics.head.Set(float64(f.latest.Height))
	f.client.nodes.metrics.gap.Set(float64(f.gap))
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

// Next waits until the head is above height and returns it, unless ctx has ended.
func (f *Feed) Next(ctx context.Context, height int64) (Block, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Block{}, err
		}
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
