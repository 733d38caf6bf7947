package chain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// pushers is three nodes of a chain with slow blocks, two of which push.
func pushers(t *testing.T) (nodes []*fakeNode, feed *Feed) {
	t.Helper()
	for range 3 {
		n := newFakeNode(t)
		n.blockTime = 10 * time.Second
		nodes = append(nodes, n)
	}
	_, feed = newFleet(t, nodes...)
	eventually(t, "two are subscribed to", func() bool { return subscribers(nodes) == subscriptions })
	// The time between blocks is learned from the first.
	for feed.interval() < maxIdlePoll {
		commit(t, feed, nodes)
	}
	return nodes, feed
}

func subscribers(nodes []*fakeNode) (all int) {
	for _, n := range nodes {
		all += n.subscribers()
	}
	return all
}

// commit makes a block on all nodes, and waits until the feed has it.
func commit(t *testing.T, feed *Feed, nodes []*fakeNode) {
	t.Helper()
	want := int64(0)
	for _, n := range nodes {
		n.commit(1)
		n.set(func(n *fakeNode) { want = n.height })
	}
	eventually(t, "the feed has the block", func() bool { return feed.Latest().Height >= want })
}

// While nodes push, they are hardly polled; when their connections end they are
// polled as before, and soon push again.
func TestPushesSavePolls(t *testing.T) {
	t.Parallel()
	nodes, feed := pushers(t)
	if got := feed.interval(); got != maxIdlePoll {
		t.Errorf("nodes are asked every %s, want %s", got, maxIdlePoll)
	}
	for _, n := range nodes {
		n.hangUp()
	}
	eventually(t, "they are polled again", func() bool { return feed.interval() == maxPoll })
	eventually(t, "two are subscribed to again", func() bool { return subscribers(nodes) == subscriptions })
	commit(t, feed, nodes)
	eventually(t, "polls are saved again", func() bool { return feed.interval() == maxIdlePoll })
}

// Connections that stay open while nothing comes are noticed by the blocks that polls
// show.
func TestSilentNodeIsLeft(t *testing.T) {
	t.Parallel()
	nodes, feed := pushers(t)
	var silent []*fakeNode
	for _, n := range nodes {
		if n.subscribers() > 0 {
			n.set(func(n *fakeNode) { n.silent = true })
			silent = append(silent, n)
		}
	}
	for range maxBehind + 1 {
		commit(t, feed, nodes)
	}
	other := nodes[slices.IndexFunc(nodes, func(n *fakeNode) bool { return !slices.Contains(silent, n) })]
	eventually(t, "the third is subscribed to", func() bool { return other.subscribers() == 1 })
	commit(t, feed, nodes)
	eventually(t, "polls are saved again", func() bool { return feed.interval() == maxIdlePoll })
}

// What a node of another chain pushes moves nobody.
func TestForeignPush(t *testing.T) {
	n := newFakeNode(t)
	client, feed := newFleet(t, n)
	eventually(t, "it is subscribed to", func() bool { return n.subscribers() == 1 })
	ended := make(chan error, 1)
	go func() {
		_, err := feed.hear(context.Background(), client.nodes.list[0])
		ended <- err
	}()
	eventually(t, "it is subscribed to twice", func() bool { return n.subscribers() == 2 })
	n.set(func(n *fakeNode) { n.chainID = "other" })
	n.commit(1)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("got %v", err)
	}
	if got := feed.Latest().Height; got != 100 {
		t.Errorf("the head is at %d, want 100", got)
	}
}

// A process that has just begun, and has seen no block, does not take the first one
// for a gap.
func TestFirstBlockIsNoSilence(t *testing.T) {
	n := newFakeNode(t)
	client, _ := newFleet(t, n)
	feed := NewFeed(client, zap.NewNop())
	ended := make(chan error, 1)
	go func() {
		_, err := feed.hear(t.Context(), client.nodes.list[0])
		ended <- err
	}()
	feed.look(t.Context(), client.nodes.list[0])
	eventually(t, "it is subscribed to by both feeds", func() bool { return n.subscribers() == 2 || len(ended) > 0 })
	n.hangUp()
	if err := <-ended; errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}
