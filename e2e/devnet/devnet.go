package devnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// Devnet is a running network.
type Devnet struct {
	opts     Options
	dir      string
	ownDir   bool
	chain    *pocketchain.Chain
	manifest Manifest
	stops    []func() error // run by Close, last first
}

// Start boots a devnet and returns once every part of it is ready.
func Start(ctx context.Context, opts Options) (*Devnet, error) {
	d := &Devnet{opts: opts.withDefaults()}
	if err := d.boot(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start devnet: %w", err), d.Close())
	}
	return d, nil
}

func (d *Devnet) boot(ctx context.Context) error {
	steps := []func(context.Context) error{d.makeDir, d.startChain}
	for _, step := range append(steps, d.writeManifest) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *Devnet) makeDir(context.Context) (err error) {
	if d.dir, err = filepath.Abs(d.opts.StateDir); err != nil {
		return err
	}
	if d.opts.StateDir == "" {
		d.dir, err = os.MkdirTemp("", "raftminer-devnet-")
		d.ownDir = err == nil
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return os.MkdirAll(filepath.Join(d.dir, "logs"), 0o755)
}

func (d *Devnet) startChain(ctx context.Context) error {
	log, err := os.Create(filepath.Join(d.dir, "logs", "chain.log"))
	if err != nil {
		return fmt.Errorf("chain log: %w", err)
	}
	d.onClose(log.Close)
	opts := d.opts.Chain
	opts.Log = log
	if d.chain, err = pocketchain.Start(ctx, opts); err != nil {
		return err
	}
	d.onClose(d.chain.Close)
	d.manifest = chainManifest(d.chain)
	d.say("chain    %s  rpc %s  grpc %s", d.chain.ID(), d.chain.RPCURL(), d.chain.GRPCURL())
	return nil
}

func (d *Devnet) writeManifest(context.Context) error { return d.manifest.Write(d.dir) }

func (d *Devnet) say(format string, args ...any) {
	if d.opts.Progress != nil {
		fmt.Fprintf(d.opts.Progress, format+"\n", args...)
	}
}

func (d *Devnet) onClose(stop func() error) { d.stops = append(d.stops, stop) }

// Close stops everything, last started first, and removes a temporary state
// directory.
func (d *Devnet) Close() error {
	var errs []error
	for len(d.stops) > 0 {
		last := len(d.stops) - 1
		stop := d.stops[last]
		d.stops = d.stops[:last]
		errs = append(errs, stop())
	}
	if d.ownDir {
		errs = append(errs, os.RemoveAll(d.dir))
		d.ownDir = false
	}
	return errors.Join(errs...)
}

// Chain is the chain, with its queries and events.
func (d *Devnet) Chain() *pocketchain.Chain { return d.chain }

// Manifest describes the devnet as devnet.json does.
func (d *Devnet) Manifest() Manifest { return d.manifest }

// Dir is the state directory.
func (d *Devnet) Dir() string { return d.dir }

var _ io.Closer = (*Devnet)(nil)
