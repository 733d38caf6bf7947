package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/e2e/devnet/process"
)

// ErrNameTaken is a name that a miner or relayer has already.
var ErrNameTaken = errors.New("there is such a miner or relayer already")

// AddMiner starts one more miner, which waits to be added to the group, and returns
// its raft address.
func (d *Devnet) AddMiner(ctx context.Context, name string) (address string, err error) {
	if _, err := d.node(name); err == nil {
		return "", fmt.Errorf("%w: %s", ErrNameTaken, name)
	}
	ports, err := port.Addrs(2)
	if err != nil {
		return "", err
	}
	n := d.planNode(roleMiner, name, ports)
	file := d.nodeConfig(n)
	raft := file["miner"].(map[string]any)["raft"].(map[string]any)
	delete(raft, "peers")
	raft["bootstrap_expect"] = 0
	if err := writeYAML(n.config, file); err != nil {
		return "", err
	}
	if err := d.launch(n); err != nil {
		return "", err
	}
	d.nodesMu.Lock()
	d.miners = append(slices.Clone(d.miners), n)
	d.nodesMu.Unlock()
	if err := awaitListener(ctx, n.addr); err != nil {
		return "", err
	}
	return n.addr, d.writeManifest(ctx)
}

// awaitListener waits until somebody takes connections at addr: a miner that is in
// no group yet is not ready, and should not be.
func awaitListener(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody listens at %s: %w", addr, err)
		}
	}
}

// launch starts a node's process.
func (d *Devnet) launch(n *node) error {
	program := d.opts.Command[n.name]
	if len(program) == 0 {
		program = []string{d.binary}
	}
	command := slices.Concat(n.under, program, []string{n.role, "--config", n.config})
	n.child = process.New(process.Spec{
		Name: n.name, Path: command[0], Args: command[1:],
		Env: d.opts.Env[n.name], Dir: d.dir, LogPath: d.logPath(n.name),
		ReadyURL: "http://" + n.metrics + "/readyz",
	})
	return n.child.Start()
}
