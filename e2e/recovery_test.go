package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// What docs/recovery.md says of data that is gone or damaged, done by the letter
// while relays flow: a miner says what is wrong and does not vote, the others go
// on, and after the way back all hold the same state and every relay is paid.
func TestRaftLostAndDamagedData(t *testing.T) {
	n, ctx := start(t, "")
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	n.await(ctx, "relays are stored", func() bool { return n.stored(ctx) })
	for _, step := range []struct {
		name   string
		leader bool // whose data it is
		damage func(t *testing.T, data string)
		says   string // nothing: it waits to be added
	}{
		{"log cut off", true, func(t *testing.T, data string) {
			if err := os.Truncate(filepath.Join(data, "raft.db"), 12<<10); err != nil {
				t.Fatal(err)
			}
		}, "was cut off"},
		{"log overwritten", false, func(t *testing.T, data string) {
			if err := os.WriteFile(filepath.Join(data, "raft.db"), make([]byte, 64<<10), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "corrupt bytes: raft log"},
		{"log gone, identity left", false, func(t *testing.T, data string) { remove(t, filepath.Join(data, "raft.db")) }, ""},
		{"directory gone", true, remove, ""},
	} {
		leader, miner, _ := n.roles(ctx)
		if step.leader {
			miner = leader
		}
		n.crash(miner)
		data := n.dataDir(miner)
		step.damage(t, data)
		if step.says != "" {
			n.refuses(ctx, miner, step.says)
			remove(t, data) // the way back begins with moving it away
		}
		n.readmit(ctx, miner)
		t.Logf("%s: %s is back in the group", step.name, miner)
	}
	checkPaid(t, paid())
}

// All miners die at once: nothing that was decided is lost.
func TestRaftAllKilledAtOnce(t *testing.T) {
	params := pocketchain.DefaultParams()
	params.ClaimWindowClose, params.ProofWindowClose = 40, 40 // nobody is there for a while, three times
	n, ctx := startOptions(t, devnet.Options{Chain: pocketchain.Options{Params: &params}})
	paid := n.driveAside(ctx, devnet.DriveOptions{})
	for range 3 {
		n.await(ctx, "relays are stored", func() bool { return n.stored(ctx) })
		for _, miner := range miners {
			n.crash(miner)
		}
		var group errgroup.Group
		start := time.Now()
		for _, miner := range miners {
			group.Go(func() error { return n.Restart(ctx, miner) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		n.roles(ctx)
		t.Logf("all are back after %s", time.Since(start).Round(time.Millisecond))
		n.agree(ctx)
	}
	checkPaid(t, paid())
}

func (n *network) crash(miner string) {
	n.t.Helper()
	if err := n.Kill(miner, syscall.SIGKILL); err != nil {
		n.t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// process describes a miner.
func (n *network) process(miner string) devnet.ManifestProcess {
	n.t.Helper()
	for _, m := range n.Manifest().Miners {
		if m.Name == miner {
			return m
		}
	}
	n.t.Fatalf("no miner %s", miner)
	return devnet.ManifestProcess{}
}

func (n *network) dataDir(miner string) string {
	return filepath.Dir(strings.TrimPrefix(n.process(miner).AdminAddr, "unix://"))
}

// refuses starts a miner that must not run, and looks for the reason.
func (n *network) refuses(ctx context.Context, miner, reason string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(n.t, "raftminer"), "miner", "--config", n.process(miner).Config)
	cmd.Dir = n.Dir()
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); !exited || ctx.Err() != nil {
		n.t.Errorf("%s ran: %v", miner, err)
	}
	if !strings.Contains(string(out), reason) || strings.Contains(string(out), "goroutine ") {
		n.t.Errorf("%s: no %q, or a crash, in\n%s", miner, reason, out)
	}
}

// readmit starts a miner that has lost its data, sees it wait, and takes it in as a
// new member under its old name.
func (n *network) readmit(ctx context.Context, miner string) {
	n.t.Helper()
	n.roles(ctx) // the others lead
	before := strings.Count(string(n.log(miner)), "knows another data directory")
	back := make(chan error, 1)
	go func() { back <- n.Restart(ctx, miner) }()
	n.await(ctx, miner+" waits to be added", func() bool {
		return strings.Count(string(n.log(miner)), "knows another data directory") > before
	})
	n.must(ctx, "remove", miner)
	n.must(ctx, "add", miner, n.process(miner).RaftAddr)
	if err := <-back; err != nil {
		n.t.Fatal(err)
	}
	n.agree(ctx)
}

// agree waits until raftctl verify finds the same state on all miners. On a busy
// machine a leader may be on its way; two states that differ never are.
func (n *network) agree(ctx context.Context) {
	n.t.Helper()
	n.await(ctx, "all hold the same state", func() bool {
		leader, err := n.Leader(ctx)
		if err != nil {
			return false
		}
		out, err := n.raftctl(ctx, leader, "verify")
		if exitCode(err) == 1 {
			n.t.Fatalf("raftctl verify: %v\n%s", err, out)
		}
		return err == nil
	})
}
