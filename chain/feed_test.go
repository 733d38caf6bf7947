package chain

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestFeedOnlyMovesForward(t *testing.T) {
	f := NewFeed(nil, zap.NewNop())
	for _, height := range []int64{5, 4, 5, 7, 6} {
		f.mu.Lock()
		f.advance(Block{Height: height})
		f.mu.Unlock()
	}
	if got := f.Latest().Height; got != 7 {
		t.Errorf("got height %d, want 7", got)
	}
}

func TestFeedNextWaitsForAHigherBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFeed(nil, zap.NewNop())
		got := make(chan Block)
		go func() {
			b, err := f.Next(context.Background(), 7)
			if err != nil {
				t.Error(err)
			}
			got <- b
		}()
		for _, height := range []int64{6, 7, 9} {
			synctest.Wait()
			f.mu.Lock()
			f.advance(Block{Height: height, Time: time.Unix(height, 0)})
			f.mu.Unlock()
		}
		if b := <-got; b.Height != 9 {
			t.Errorf("got block %d, want 9", b.Height)
		}
	})
}

func TestFeedNextEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewFeed(nil, zap.NewNop()).Next(ctx, 0); err == nil {
		t.Error("Next returned no error after its context ended")
	}
}
