package devnet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// DriveOptions describe the relays of a run.
type DriveOptions struct {
	Relays   int             // to get answers for
	Until    <-chan struct{} // when set, relays flow until it is closed, however many that are
	Tries    int             // of a relay, each for another supplier
	RPS      float64         // relays per second
	Sessions int             // spread over at least so many sessions
	// KillLeader is how often the leading miner is killed and restarted, spread
	// over the time that relays flow.
	KillLeader int
	Workers    int // relays in flight at once
	// Services limits the applications to those of these services; all when empty.
	Services []string
	// Call makes the i-th call to a service; nil for DefaultCall.
	Call func(service string, i int) Load
	// Hold is called before each relay and may wait; its session is then the one of
	// that time. Nil for none.
	Hold func(context.Context) error
	// Progress is told how it goes, from one goroutine at a time; nil for none.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Phase    string // relays, then settlement
	Answered int
	Failed   int
	Total    int   // relays of the run
	Kills    int   // leaders killed so far
	Height   int64 // newest block
	Until    int64 // block that settles the last session, in settlement
}

func (o DriveOptions) withDefaults() DriveOptions {
	setDefault(&o.Relays, 500)
	setDefault(&o.RPS, 100)
	setDefault(&o.Sessions, 1)
	setDefault(&o.Workers, 32)
	setDefault(&o.Tries, relayTries)
	if o.Until != nil {
		o.Relays = math.MaxInt32
	}
	if o.Call == nil {
		o.Call = DefaultCall
	}
	if o.Hold == nil {
		o.Hold = func(context.Context) error { return nil }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Drive sends signed relays through the balancer as a gateway would, kills
// leaders meanwhile, waits until the chain has settled every session, and
// reports what the chain paid.
func (d *Devnet) Drive(ctx context.Context, opts DriveOptions) (Report, error) {
	opts = opts.withDefaults()
	run, err := newRun(d, opts)
	if err != nil {
		return Report{}, err
	}
	defer run.close()
	progress, done := context.WithCancel(ctx)
	var watch errgroup.Group
	watch.Go(func() error { run.watch(progress); return nil })
	failovers, err := run.relays(ctx)
	if err == nil {
		err = run.settle(ctx)
	}
	done()
	_ = watch.Wait() // watch returns nothing but nil
	if err != nil {
		return Report{}, fmt.Errorf("drive relays: %w", err)
	}
	outcomes, err := readOutcomes(d.chain.Entries(), run.tally.firstEnd)
	if err != nil {
		return Report{}, fmt.Errorf("drive relays: %w", err)
	}
	report := newReport(run.tally, outcomes)
	report.LeaderKills = len(failovers)
	for _, f := range failovers {
		report.FailoverMS = append(report.FailoverMS, f.Flush.Milliseconds())
		report.ElectionMS = append(report.ElectionMS, f.Election.Milliseconds())
	}
	return report, nil
}

// relays drives the load and the kills; it returns when both are done.
func (r *run) relays(ctx context.Context) (failovers []Failover, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.send(ctx) })
	group.Go(func() (err error) {
		failovers, err = r.kill(ctx)
		return err
	})
	return failovers, group.Wait()
}

// kill kills the leader when the next share of the relays has been sent. A
// killed miner is back before the next one is killed: a quorum stays.
func (r *run) kill(ctx context.Context) ([]Failover, error) {
	var failovers []Failover
	for i := range r.opts.KillLeader {
		if err := r.waitSent(ctx, r.opts.Relays*(i+1)/(r.opts.KillLeader+1)); err != nil {
			return failovers, err
		}
		failover, err := r.net.KillLeader(ctx)
		if err != nil {
			return failovers, err
		}
		failovers = append(failovers, failover)
		r.kills.Add(1)
		if err := r.net.Restart(ctx, failover.Killed); err != nil {
			return failovers, fmt.Errorf("restart the killed leader: %w", err)
		}
	}
	return failovers, nil
}

// settle waits for the block that settles the last session with a relay in it.
func (r *run) settle(ctx context.Context) error {
	if r.tally.lastEnd == 0 {
		return fmt.Errorf("no relay was answered: %w", errors.Join(r.tally.errors()...))
	}
	params, err := r.net.chain.SharedParams(ctx)
	if err != nil {
		return err
	}
	r.until.Store(settlementHeight(params, r.tally.lastEnd))
	return r.net.chain.WaitHeight(ctx, r.until.Load())
}

// watch reports progress until ctx ends.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.opts.Progress(r.progress())
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.opts.Progress(r.progress())
			return
		}
	}
}

// clientFor is the signing client of an application's gateway.
func (r *run) clientFor(gatewayAddress string) (*gateway.Client, error) {
	if client := r.clients[gatewayAddress]; client != nil {
		return client, nil
	}
	for _, account := range r.net.chain.Actors().Gateways {
		if account.Address != gatewayAddress {
			continue
		}
		client, err := gateway.New(r.net.chain.Conn(), account.Key.Key)
		if err != nil {
			return nil, err
		}
		r.clients[gatewayAddress] = client
		return client, nil
	}
	return nil, fmt.Errorf("no key of gateway %s", gatewayAddress)
}
