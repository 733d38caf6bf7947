package devnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Tries of one relay by default, the pause after the first (each next one is longer by as
// much), and how long one try may take. The pauses outlast a block: a relayer
// that has not seen the session's first block yet refuses the session.
const (
	relayTries   = 4
	relayPause   = 100 * time.Millisecond
	relayTimeout = 15 * time.Second
)

// run is one Drive under way.
type run struct {
	net     *Devnet
	opts    DriveOptions
	tally   *tally
	apps    []pocketchain.Application
	clients map[string]*gateway.Client // by gateway address; complete before relays flow
	sent    atomic.Int64
	kills   atomic.Int64
	until   atomic.Int64 // block that settles the last session; 0 while relays flow
	moved   chan struct{}
}

func newRun(d *Devnet, opts DriveOptions) (*run, error) {
	r := &run{
		net: d, opts: opts, tally: newTally(), clients: make(map[string]*gateway.Client), moved: make(chan struct{}, 1),
	}
	for _, app := range d.chain.Actors().Applications {
		if len(opts.Services) > 0 && !slices.Contains(opts.Services, app.Service) {
			continue
		}
		if _, err := r.clientFor(app.Gateway); err != nil {
			return nil, err
		}
		r.apps = append(r.apps, app)
	}
	if len(r.apps) == 0 {
		return nil, fmt.Errorf("no application is staked for %v", opts.Services)
	}
	return r, nil
}

func (r *run) close() {
	for _, client := range r.clients {
		client.Close()
	}
}

func (r *run) progress() Progress {
	p := r.tally.progress()
	p.Phase, p.Total, p.Kills, p.Height = "relays", r.opts.Relays, int(r.kills.Load()), r.net.chain.Height()
	if p.Until = r.until.Load(); p.Until > 0 {
		p.Phase = "settlement"
	}
	return p
}

// send gives every session its share of the relays, one session after another.
// A share that does not fit its session is carried on by the next.
func (r *run) send(ctx context.Context) error {
	limit := rate.NewLimiter(rate.Limit(r.opts.RPS), max(1, int(r.opts.RPS/20)))
	share := (r.opts.Relays + r.opts.Sessions - 1) / r.opts.Sessions
	left := r.opts.Relays
	if err := r.waitFreshSession(ctx); err != nil {
		return err
	}
	for left > 0 {
		batch, err := r.openSessions(ctx)
		if err != nil {
			return err
		}
		n, err := r.sendSession(ctx, batch, min(share, left), limit)
		if err != nil {
			return err
		}
		if left -= n; left == 0 || r.over() {
			return nil
		}
		if err := r.net.chain.WaitHeight(ctx, batch.end+1); err != nil {
			return err
		}
	}
	return nil
}

// waitFreshSession waits for a session that has just begun, so that a run over
// n sessions does not have to share its first one with what was before.
func (r *run) waitFreshSession(ctx context.Context) error {
	params, err := r.net.chain.SharedParams(ctx)
	if err != nil {
		return err
	}
	height := r.net.chain.Height()
	if height <= sharedtypes.GetSessionStartHeight(params, height)+1 {
		return nil
	}
	return r.net.chain.WaitHeight(ctx, sharedtypes.GetSessionEndHeight(params, height)+1)
}

// over says that no more relays are wanted.
func (r *run) over() bool {
	select {
	case <-r.opts.Until: // never, when it is nil
		return true
	default:
		return false
	}
}

// openSession is the same session of every application.
type openSession struct {
	end      int64
	sessions []*gateway.Session // by the applications' order
}

// openSessions fetches the sessions of the newest block.
func (r *run) openSessions(ctx context.Context) (openSession, error) {
	height := r.net.chain.Height()
	var open openSession
	for _, app := range r.apps {
		session, err := r.clients[app.Gateway].Session(ctx, app.Address, app.Service, height)
		if err != nil {
			return openSession{}, err
		}
		open.sessions = append(open.sessions, session)
		open.end = session.Header.SessionEndBlockHeight
	}
	return open, nil
}

// sendSession sends up to n relays before the session's last block.
func (r *run) sendSession(ctx context.Context, open openSession, n int, limit *rate.Limiter) (sent int, err error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.opts.Workers)
	for sent < n {
		if err := errors.Join(limit.Wait(ctx), r.opts.Hold(ctx)); err != nil {
			return sent, errors.Join(err, group.Wait())
		}
		if r.net.chain.Height() >= open.end || r.over() {
			break
		}
		i := int(r.sent.Add(1)) - 1
		sent++
		r.wake()
		group.Go(func() error { return r.relay(groupCtx, open, i) })
	}
	return sent, group.Wait()
}

// relay gets one relay answered. Tries are signed anew, for the next supplier and the
// session of the day, as a gateway does it. Only the end of the run is an error.
func (r *run) relay(ctx context.Context, open openSession, i int) error {
	app := r.apps[i%len(r.apps)]
	load := r.opts.Call(app.Service, i)
	var last error
	for try := range r.opts.Tries {
		if last != nil {
			r.tally.retry(last)
			open = r.reopened(ctx, open)
		}
		session := open.sessions[i%len(r.apps)]
		supplier := session.Suppliers[(i/len(r.apps)+try)%len(session.Suppliers)]
		answer, err := r.try(ctx, app, session, supplier, load)
		if err == nil {
			r.tally.answer(answer)
			return nil
		}
		last = err
		select {
		case <-time.After(relayPause * time.Duration(try+1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.tally.fail(last)
	return nil
}

// reopened is the session after open, once that is over.
func (r *run) reopened(ctx context.Context, open openSession) openSession {
	if r.net.chain.Height() <= open.end {
		return open
	}
	next, err := r.openSessions(ctx)
	if err != nil {
		r.tally.retry(err)
		return open // a later try may find it
	}
	return next
}

func (r *run) try(
	ctx context.Context, app pocketchain.Application, session *gateway.Session, supplier string, load Load,
) (*gateway.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	return r.clients[app.Gateway].Send(ctx, r.net.BalancerURL(), session, supplier, load.RPCType, load.Call)
}

// wake lets waitSent look again; one pending look is enough.
func (r *run) wake() {
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

// waitSent waits until n relays have been sent. One goroutine may wait.
func (r *run) waitSent(ctx context.Context, n int) error {
	for int(r.sent.Load()) < n {
		select {
		case <-r.moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settlementHeight is when the chain pays for a session (poktroll
// x/tokenomics/keeper/settle_pending_claims.go), with the params at its end.
func settlementHeight(params *sharedtypes.Params, sessionEnd int64) int64 {
	return sessionEnd + sharedtypes.GetSessionEndToProofWindowCloseBlocks(params) + 1
}
