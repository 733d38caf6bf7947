package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// subscriptions is how many nodes push blocks at a time: the second is there when
	// the first dies.
	subscriptions = 2
	// minListenWait and maxListenWait bound the time until a node is subscribed to
	// again after it failed; it doubles each time.
	minListenWait = time.Second
	maxListenWait = time.Minute
)

// errSilent: others show blocks that a node has not pushed.
var errSilent = errors.New("the WebSocket has gone silent")

// listen has one node push its blocks whenever it is well and there is a seat for
// it, until ctx ends.
func (f *Feed) listen(ctx context.Context, each *node) {
	wait := minListenWait
	for ctx.Err() == nil {
		if each.sight().chainID == "" || f.client.nodes.judge(each) != nil {
			pause(ctx, f.interval())
			continue
		}
		select {
		case <-ctx.Done():
			return
		case f.seats <- struct{}{}:
		}
		pushed, err := f.hear(ctx, each)
		<-f.seats
		if pushed {
			wait = minListenWait
		}
		if ctx.Err() == nil {
			f.log.Info("a full node pushes no blocks", zap.String("node", each.setting), zap.String("host", each.host), zap.Duration("again after", wait), zap.Error(err))
		}
		pause(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, maxListenWait)
	}
}

// hear takes the blocks that a node pushes until it ends or falls silent.
func (f *Feed) hear(ctx context.Context, each *node) (pushed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	head, err := f.Next(ctx, 0) // a feed that has seen nothing yet would take any block for a gap
	if err != nil {
		return false, err
	}
	var last atomic.Int64
	last.Store(head.Height)
	go func() {
		for height := head.Height; ; {
			head, err := f.Next(ctx, height)
			if err != nil {
				return
			}
			if height = head.Height; height-last.Load() > maxBehind {
				cancel(fmt.Errorf("%w at block %d, others are at %d", errSilent, last.Load(), height))
			}
		}
	}()
	defer func() {
		if pushed {
			f.quiet(each)
		}
	}()
	err = each.subscribe(ctx, f.client.chainID, func(b Block) {
		f.push(each, b, !pushed)
		pushed = true
		last.Store(b.Height)
	})
	return pushed, err
}

// push takes a block that a node pushed.
func (f *Feed) push(each *node, b Block, first bool) {
	f.client.nodes.pushed(each, b)
	f.mu.Lock()
	defer f.mu.Unlock()
	if first {
		f.pushing++
		f.client.nodes.metrics.pushing.WithLabelValues(each.host).Set(1)
	}
	f.pushed = max(f.pushed, b.Height)
	f.advance(b)
	f.show()
}

// quiet notes that a node pushes no more.
func (f *Feed) quiet(each *node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushing--
	f.client.nodes.metrics.pushing.WithLabelValues(each.host).Set(0)
}
