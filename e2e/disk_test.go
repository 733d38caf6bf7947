package e2e

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// Disks that are full, and disks that hang, while relays flow. A miner that cannot
// write stops and says why; the others go on; nothing is lost.
func TestRaftDisks(t *testing.T) {
	v := newVolumes(t)
	n, ctx := startWith(t, "", v.edit)
	t.Cleanup(v.thawAll) // before the miners are stopped: they would hang
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	n.await(ctx, "relays are stored", func() bool { return n.stored(ctx) })
	for _, step := range []struct {
		name   string
		leader bool // whose disk it is
		begin  func(miner string)
		end    func(miner string)
		says   string
		code   int
	}{
		{"full, on a follower", false, v.fill, v.empty, "no space left on device", 1},
		{"full, on the leader", true, v.fill, v.empty, "no space left on device", 1},
		{"hung, on a follower", false, v.freeze, v.thaw, "disk write is stuck", 75},
		{"hung, on the leader", true, v.freeze, v.thaw, "disk write is stuck", 75},
	} {
		leader, miner, _ := n.roles(ctx)
		if step.leader {
			miner = leader
		}
		term, start := n.metric(ctx, leader, "ha_raft_term"), time.Now()
		before := strings.Count(string(n.log(miner)), step.says)
		step.begin(miner)
		t.Logf("%s: %s", step.name, miner)
		n.await(ctx, miner+" says why it stops", func() bool {
			n.decide(ctx)
			return strings.Count(string(n.log(miner)), step.says) > before
		})
		if step.leader {
			n.await(ctx, step.name+": another miner leads", func() bool { next, err := n.Leader(ctx); return err == nil && next != miner })
		} else {
			n.staysPut(ctx, step.name, leader, term)
		}
		step.end(miner)
		if code := exitCode(n.Wait(ctx, miner)); code != step.code {
			t.Errorf("%s: exit code %d, want %d", step.name, code, step.code)
		}
		if err := n.Restart(ctx, miner); err != nil {
			t.Fatal(err)
		}
		n.agree(ctx)
		t.Logf("%s: all hold the same state %s later", step.name, time.Since(start).Round(time.Millisecond))
	}
	checkPaid(t, paid())
}

// decide makes the log grow, so that a disk in trouble shows it.
func (n *network) decide(ctx context.Context) {
	for _, m := range n.Manifest().Miners {
		if _, err := n.raftctl(ctx, m.Name, "bench", "-n", "20", "--timeout", "1s"); err == nil {
			return
		}
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
