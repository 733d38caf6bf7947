package ingest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/raftminer/raftminer/chain"
)

// closing is the score of a session in Keys.Closed: what becomes of the relays of
// a session that takes no new ones. Above 0 it is the unix time at which the
// session was forgotten, below -1 the negative one, in ms, at which its relays were
// asked for.
type closing float64

const (
	closingKept     closing = 0  // relayers keep its relays
	closingArchived closing = -1 // the group keeps its tree on disks of its own
)

// Asking tells one request for the relays of a session from another.
type Asking int64

// final says that relayers need not keep the relays any more.
func (c closing) final() bool { return c > closingKept || c == closingArchived }

// asked says that relayers are to bring the relays again.
func (c closing) asked() (since Asking, asked bool) { return Asking(-c), c < closingArchived }

func askedAt(now time.Time) closing { return closing(-now.UnixMilli()) }

func parseClosing(text string) (closing, error) {
	score, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("closing mark %q: %w", text, err)
	}
	return closing(score), nil
}

// markClosed marks sessions that take no relay. One that was forgotten stays so.
func (p *partition) markClosed(ctx context.Context, c closing, sessions ...chain.SessionKey) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	args := []any{p.epoch, p.owner, float64(c)}
	for _, key := range sessions {
		args = append(args, sessionField(key))
	}
	return p.counted(refusal(markScript.Run(ctx, p.rdb, []string{p.keys.Meta(p.number), p.keys.Closed(p.number)}, args...).Err()))
}
