package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/e2e/devnet/process"
)

const (
	readyTimeout = 60 * time.Second
	stopPatience = 20 * time.Second
	roleMiner    = "miner"
	roleRelayer  = "relayer"
)

// node is a miner or a relayer: a child process and where it listens.
type node struct {
	name    string
	role    string
	addr    string // relays of a relayer, raft of a miner
	metrics string // host:port
	config  string // path
	under   []string
	child   *process.Child
}

// planNodes gives every node its name and its ports.
func (d *Devnet) planNodes(context.Context) error {
	ports, err := port.Addrs(2 * (d.opts.Miners + d.opts.Relayers))
	if err != nil {
		return err
	}
	plan := func(role string, n int) (nodes []*node) {
		for i := range n {
			name := fmt.Sprintf("%s-%d", role, i+1)
			nodes = append(nodes, d.planNode(role, name, ports))
			ports = ports[2:]
		}
		return nodes
	}
	d.miners = plan(roleMiner, d.opts.Miners)
	d.relayers = plan(roleRelayer, d.opts.Relayers)
	return nil
}

// planNode gives a node the first two of the ports.
func (d *Devnet) planNode(role, name string, ports []string) *node {
	at := d.opts.Place(name)
	return &node{
		name: name, role: role, addr: at.listen(ports[0]), metrics: at.listen(ports[1]),
		config: filepath.Join(d.dir, name+".yaml"), under: at.Under,
	}
}

// listen is a loopback address, moved to the placement's host. Its port was free
// here, and another host has only this child to use it.
func (p Placement) listen(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if p.Host == "" || err != nil {
		return addr
	}
	return net.JoinHostPort(p.Host, port)
}

func (d *Devnet) nodes() []*node { return slices.Concat(d.minerNodes(), d.relayers) }

func (d *Devnet) minerNodes() []*node {
	d.nodesMu.Lock()
	defer d.nodesMu.Unlock()
	return d.miners
}

// startNodes writes the configurations, starts the processes and waits until
// all are ready.
func (d *Devnet) startNodes(ctx context.Context) error {
	if err := d.writeConfigs(); err != nil {
		return err
	}
	d.onClose(d.stopNodes)
	for _, n := range d.nodes() {
		if err := d.launch(n); err != nil {
			return err
		}
	}
	for _, n := range d.nodes() {
		if err := d.waitReady(ctx, n); err != nil {
			return err
		}
	}
	leader, err := d.WaitLeader(ctx)
	if err != nil {
		return err
	}
	d.say("miners    %d, leader %s", len(d.miners), leader)
	d.say("relayers  %d behind %s", len(d.relayers), d.BalancerURL())
	return nil
}

func (d *Devnet) waitReady(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return n.child.Ready(ctx)
}

// stopNodes stops the relayers first, so that what they publish on their way
// out still meets a miner.
func (d *Devnet) stopNodes() error {
	return errors.Join(stopAll(d.relayers), stopAll(d.minerNodes()))
}

func stopAll(nodes []*node) error {
	results := make(chan error)
	for _, n := range nodes {
		go func() {
			if n.child == nil {
				results <- nil
				return
			}
			results <- n.child.Stop(stopPatience)
		}()
	}
	var errs []error
	for range nodes {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// ErrNoNode is a name that no miner or relayer has.
var ErrNoNode = errors.New("no such miner or relayer")

func (d *Devnet) node(name string) (*node, error) {
	for _, n := range d.nodes() {
		if n.name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoNode, name)
}

// Kill sends sig to a miner or relayer. After SIGKILL it returns once the
// process is gone.
func (d *Devnet) Kill(name string, sig os.Signal) error {
	n, err := d.node(name)
	if err != nil {
		return err
	}
	if err := n.child.Signal(sig); err != nil {
		return err
	}
	if sig == os.Kill {
		_ = n.child.Wait(context.Background()) // how it ended is known
	}
	return nil
}

// Wait returns once a miner or relayer has ended, with how it ended.
func (d *Devnet) Wait(ctx context.Context, name string) error {
	n, err := d.node(name)
	if err != nil {
		return err
	}
	return n.child.Wait(ctx)
}

// SetEnv replaces what is added to a node's environment at its next start.
func (d *Devnet) SetEnv(name string, env ...string) error {
	n, err := d.node(name)
	if err != nil {
		return err
	}
	n.child.SetEnv(env)
	return nil
}

// Restart starts a miner or relayer again, stopping it first if it runs, and
// waits until it is ready.
func (d *Devnet) Restart(ctx context.Context, name string) error {
	n, err := d.node(name)
	if err != nil {
		return err
	}
	if n.child.Running() {
		if err := n.child.Stop(stopPatience); err != nil {
			return err
		}
	}
	if err := n.child.Start(); err != nil {
		return err
	}
	if err := d.waitReady(ctx, n); err != nil {
		return err
	}
	return d.writeManifest(ctx)
}
