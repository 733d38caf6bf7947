package chain

import (
	"context"
	"math/rand/v2"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"golang.org/x/sync/errgroup"
)

const (
	// prewarming is how many sessions are asked for at a time: few, so that relays
	// that cannot wait find the node free.
	prewarming = 8
	// prewarmTime bounds one of them.
	prewarmTime = 5 * time.Second
)

// Prewarm asks for what relays of a new session need with the first block of it, for
// the applications that used the session before. Not earlier: a session follows from
// the hash of a block, and difficulties may change with it. It runs until ctx ends.
func (c *Client) Prewarm(ctx context.Context, feed *Feed) {
	warm := int64(0) // the session that has been asked for
	for height := int64(0); ; {
		head, err := feed.Next(ctx, height)
		if err != nil {
			return // ctx has ended
		}
		height = head.Height
		params, err := c.SharedParams(ctx, height)
		if err != nil {
			continue // the next block comes soon
		}
		if start := sharedtypes.GetSessionStartHeight(params, height); start > warm {
			c.prewarm(ctx, start, sharedtypes.GetSessionEndHeight(params, height))
			warm = start
		}
	}
}

// prewarm asks for the session from start to end. Processes that share a cache do it
// in different orders, and so most of it for each other.
func (c *Client) prewarm(ctx context.Context, start, end int64) {
	before, err := c.SharedParams(ctx, start-1)
	if err != nil {
		return
	}
	applications := c.usersOf(sharedtypes.GetSessionStartHeight(before, start-1))
	rand.Shuffle(len(applications), func(i, j int) { applications[i], applications[j] = applications[j], applications[i] })
	var group errgroup.Group
	group.SetLimit(prewarming)
	for _, q := range applications {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			c.prewarmSession(ctx, sessionQuery{q.application, q.service, start}, end)
			return nil
		})
	}
	_ = group.Wait()
}

// prewarmSession forgets errors: a relay that needs the answer asks again.
func (c *Client) prewarmSession(ctx context.Context, q sessionQuery, end int64) {
	ctx, cancel := context.WithTimeout(ctx, prewarmTime)
	defer cancel()
	if _, err := c.sessions.get(ctx, q); err != nil {
		return
	}
	_, _ = c.SharedParams(ctx, end)
	_, _ = c.RingKeys(ctx, q.application, end)
	_, _ = c.Difficulty(ctx, q.service, q.start)
	_, _ = c.ComputeUnitsPerRelay(ctx, q.service, q.start)
}

// usersOf are the sessions from start that somebody wanted to know.
func (c *Client) usersOf(start int64) (users []sessionQuery) {
	for q, known := range c.sessions.cache.All() {
		if q.start == start && known.wanted.Load() {
			users = append(users, q)
		}
	}
	return users
}
