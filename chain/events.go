package chain

import (
	"context"
	"time"

	"go.uber.org/zap"
)

const (
	// maxCatchUp is how many blocks are read after the chain was away. Beyond that it
	// is cheaper to take everything for changed.
	maxCatchUp = 50
	// rereadAfter is the time until a block is asked for again that could not be read.
	rereadAfter = 200 * time.Millisecond
)

// Events reads every block once, in order, and tells what it changed.
type Events struct {
	client *Client
	feed   *Feed
	log    *zap.Logger
	heed   []func(Event)
}

// NewEvents makes one; Run drives it. Each of heed is told every event, one at a time.
// The client's own answers are forgotten first, so that who hears of a change reads it.
func NewEvents(client *Client, feed *Feed, log *zap.Logger, heed ...func(Event)) *Events {
	return &Events{client: client, feed: feed, log: log, heed: append([]func(Event){client.forget}, heed...)}
}

// Run reads blocks until ctx ends, from the one after the first that the feed shows.
func (e *Events) Run(ctx context.Context) error {
	head, err := e.feed.Next(ctx, 0)
	if err != nil {
		return nil // ctx ended
	}
	return e.follow(ctx, head.Height)
}

// follow reads the blocks after read.
func (e *Events) follow(ctx context.Context, read int64) error {
	for {
		head, err := e.feed.Next(ctx, read)
		if err != nil {
			return nil // ctx ended
		}
		if missed := head.Height - read; missed > maxCatchUp {
			e.log.Warn("blocks are not read for events: everything is taken for changed", zap.Int64("blocks", missed), zap.Int64("height", head.Height))
			e.tell(Event{Kind: EventMissed, Height: head.Height})
			read = head.Height
			continue
		}
		events, failed := e.client.queryEvents(ctx, read+1)
		if failed != nil {
			e.log.Debug("a block cannot be read for events yet", zap.Int64("height", read+1), zap.Error(failed))
			pause(ctx, rereadAfter)
			continue
		}
		read++
		for _, event := range events {
			e.tell(event)
		}
	}
}

// queryEvents are the events of a block that matter. Most blocks have none, and that
// is seen without decoding: the results of a block that settles may be megabytes, and
// every process reads every block.
func (c *Client) queryEvents(ctx context.Context, height int64) ([]Event, error) {
	return ask(ctx, c.nodes, c.nodes.order(UseRead), func(ctx context.Context, each *node) ([]Event, error) {
		raw, err := each.rawResults(ctx, height)
		if err != nil || uneventful(raw) {
			return nil, err
		}
		txs, results, err := readBlock(ctx, each.rpc, height)
		if err != nil {
			return nil, err
		}
		var events []Event
		for i, tx := range txs {
			if r := results.TxsResults[i]; r.Code == 0 {
				events = append(events, paramEventsOf(height, tx)...)
				events = append(events, eventsOf(height, r.Events)...)
			}
		}
		return append(events, eventsOf(height, results.FinalizeBlockEvents)...), nil
	})
}

func (e *Events) tell(event Event) {
	e.client.nodes.metrics.events.WithLabelValues(event.Kind.String()).Inc()
	for _, heed := range e.heed {
		heed(event)
	}
}
