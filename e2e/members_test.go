package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// All three miners are replaced by new ones, one after the other, while relays
// flow: none is lost, and what was decided goes on in the new group.
func TestRaftRollingReplacement(t *testing.T) {
	n, ctx := start(t, "")
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	for i, old := range miners {
		name := fmt.Sprintf("miner-%d", i+4)
		address, err := n.AddMiner(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		n.must(ctx, "replace", old, name, address)
		if err := n.Kill(old, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := n.Wait(ctx, old); err != nil {
			t.Errorf("%s, which is out, ended with %v", old, err)
		}
	}
	checkPaid(t, paid())
	n.must(ctx, "health")
}

// Five miners stand the death of two at once, leader included.
func TestRaftFiveMembers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	n := &network{t: t}
	n.boot(ctx, devnet.Options{Miners: 5})
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	n.await(ctx, "relays are stored", func() bool { return n.stored(ctx) })
	leader, other, _ := n.roles(ctx)
	for _, name := range []string{leader, other} {
		if err := n.Kill(name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	n.await(ctx, "another leads", func() bool { next, err := n.Leader(ctx); return err == nil && next != leader })
	for _, name := range []string{leader, other} {
		if err := n.Restart(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	checkPaid(t, paid())
	n.must(ctx, "health")
}

// stored says that some miner has stored relays.
func (n *network) stored(ctx context.Context) bool {
	for _, m := range n.Manifest().Miners {
		if n.metric(ctx, m.Name, "ha_miner_flushes_total") > 0 {
			return true
		}
	}
	return false
}

// must runs raftctl on whichever miner answers, and expects success.
func (n *network) must(ctx context.Context, args ...string) string {
	n.t.Helper()
	for _, m := range n.Manifest().Miners {
		args = append(args, "--addr", m.AdminAddr)
	}
	out, err := exec.CommandContext(ctx, binary(n.t, "raftctl"), args...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("raftctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}
