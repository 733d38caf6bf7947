package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// How often the feed asks each node for a new block: a fifth of the observed block
// time, within these bounds. While blocks are pushed once a block is enough.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
	// maxIdlePoll is well below maxBehindFor: no node may seem behind because it was
	// not looked at.
	maxIdlePoll = maxBehindFor / 2
	// statusTimeout bounds one question, so that a node that hangs is noticed.
	statusTimeout = 3 * time.Second
)

// follow looks at one node until ctx ends.
func (f *Feed) follow(ctx context.Context, each *node) {
	var out error // why it is not asked
	for ctx.Err() == nil {
		f.look(ctx, each)
		if err := f.client.nodes.judge(each); (err == nil) != (out == nil) && ctx.Err() == nil {
			f.log.Warn("a full node is asked, or not any more", zap.String("node", each.setting), zap.String("host", each.host), zap.NamedError("not, because", err))
			out = err
		}
		pause(ctx, f.interval())
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
		f.show()
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

// interval is the time until the next look at a node. A block that a look showed
// before a node pushed it means that they are late, or silent.
func (f *Feed) interval() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	often := max(minPoll, min(maxPoll, f.spacing/5))
	if f.pushing == 0 || f.pushed < f.latest.Height {
		return often
	}
	return max(often, min(maxIdlePoll, f.spacing))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
