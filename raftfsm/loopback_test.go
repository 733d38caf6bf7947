package raftfsm

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/e2e/devnet/port"
)

// TestMain fails on leaked goroutines. The one that is let off starts in the init
// of a package that poktroll links.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// patience bounds every wait of these tests on a slow machine.
const patience = 30 * time.Second

// member is a node of a loopback group, with the epochs it led in.
type member struct {
	cfg  Config
	node *Node
	led  chan Epoch
	stop context.CancelFunc
	done chan error
}

// loopback is a group of real nodes: bolt on disk, TCP on loopback.
type loopback struct {
	t       *testing.T
	members []*member
}

func freeAddrs(t *testing.T, count int) []string {
	t.Helper()
	addrs, err := port.Addrs(count)
	if err != nil {
		t.Fatal(err)
	}
	return addrs
}

func startLoopback(t *testing.T, size int) *loopback {
	t.Helper()
	return startLoopbackWith(t, size, func(*Config) {})
}

func startLoopbackWith(t *testing.T, size int, change func(*Config)) *loopback {
	t.Helper()
	c := &loopback{t: t}
	var peers []Peer
	for i, addr := range freeAddrs(t, size) {
		peers = append(peers, Peer{ID: fmt.Sprintf("miner-%d", i+1), Addr: addr})
	}
	for _, p := range peers {
		c.members = append(c.members, &member{cfg: Config{
			NodeID: p.ID, DataDir: t.TempDir(), Bind: p.Addr, ClusterID: "test", Partitions: 4,
			Peers: peers, BootstrapExpect: size, Version: "test",
		}})
	}
	for _, m := range c.members {
		change(&m.cfg)
		c.start(m)
	}
	t.Cleanup(func() {
		var wg sync.WaitGroup
		for _, m := range c.members {
			wg.Go(func() { c.kill(m) })
		}
		wg.Wait()
	})
	return c
}

// start opens a member and runs it with a lead that only waits.
func (c *loopback) start(m *member) {
	c.t.Helper()
	c.startWith(m, func(ctx context.Context, _ Epoch) error {
		<-ctx.Done()
		return nil
	})
}

func (c *loopback) startWith(m *member, lead func(context.Context, Epoch) error) {
	c.t.Helper()
	node, err := Open(m.cfg, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		c.t.Fatalf("open %s: %v", m.cfg.NodeID, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	led := make(chan Epoch, 64)
	m.node, m.stop, m.done, m.led = node, cancel, make(chan error, 1), led
	go func(done chan<- error) {
		done <- node.Run(ctx, func(ctx context.Context, epoch Epoch) error {
			led <- epoch
			return lead(ctx, epoch)
		})
	}(m.done)
}

// kill ends a member without a hand-over.
func (c *loopback) kill(m *member) {
	if m.node == nil {
		return
	}
	if err := m.node.Close(); err != nil {
		c.t.Errorf("close %s: %v", m.cfg.NodeID, err)
	}
	m.stop()
	<-m.done
	m.node = nil
}

// leader waits for the next member that opens an epoch.
func (c *loopback) leader() (*member, Epoch) {
	c.t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		for _, m := range c.members {
			select {
			case epoch := <-m.led:
				if m.node != nil {
					return m, epoch
				}
			default:
			}
		}
		select {
		case <-poll.C:
		case <-deadline:
			c.t.Fatal("no leader")
		}
	}
}

func TestKilledLeaderIsReplaced(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	seal := Seal{Epoch: epoch, Ref: ref("pokt1a", "s1"), Root: root(1), Count: 3, Sum: 30, Seq: 2}
	if _, err := leader.node.Apply(t.Context(), seal); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		start := time.Now()
		c.kill(leader)
		next, newer := c.leader()
		t.Logf("next epoch after %s", time.Since(start))
		if newer.Compare(epoch) <= 0 {
			t.Fatalf("epoch %s follows %s", newer, epoch)
		}
		var got Session
		next.node.View(func(s *State) { got, _ = s.Session(seal.Ref.Key()) })
		if got.Stage != StageSealed {
			t.Fatalf("the session is %s on the next leader, want sealed", got.Stage)
		}
		c.start(leader)
		leader, epoch = next, newer
	}
}

func TestHandOver(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	if err := leader.node.TransferLeader(ctx, ""); err != nil {
		t.Fatal(err)
	}
	next, _ := c.leader()
	t.Logf("transfer to next epoch: %s", time.Since(start))
	if next == leader {
		t.Fatal("leadership came back")
	}
	start = time.Now()
	next.stop() // as SIGTERM does
	if err := <-next.done; err != nil {
		t.Fatalf("graceful stop: %v", err)
	}
	next.node = nil
	c.leader()
	took := time.Since(start)
	t.Logf("graceful stop to next epoch: %s", took)
	if took >= DefaultElectionTimeout {
		t.Errorf("graceful stop took %s, as long as an election", took)
	}
}

func TestHandOverOncePerTerm(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	if err := leader.node.transfers.take(leader.node.raft.CurrentTerm()); err != nil {
		t.Fatal(err)
	}
	err := leader.node.TransferLeader(t.Context(), "")
	wantError(t, err, ErrTransferSpent)
}

func TestOneVoterAlone(t *testing.T) {
	c := startLoopback(t, 1)
	leader, _ := c.leader()
	wantError(t, leader.node.TransferLeader(t.Context(), ""), ErrNoSuccessor)
	wantError(t, leader.node.TransferLeader(t.Context(), "nobody"), ErrNotFound)
	wantError(t, leader.node.TransferLeader(t.Context(), "miner-1"), ErrAlreadyLeader)
	if err := leader.node.VerifyLeader(t.Context()); err != nil {
		t.Error(err)
	}
	status := leader.node.Status()
	if !status.Leading || status.LeaderID != "miner-1" || status.ClusterID != "test" || status.Epoch.Generation != 1 {
		t.Errorf("status %+v", status)
	}
	leader.stop()
	if err := <-leader.done; err != nil {
		t.Errorf("stop: %v", err)
	}
	leader.node = nil
	c.start(leader)
	if _, epoch := c.leader(); epoch.Compare(status.Epoch) <= 0 {
		t.Errorf("epoch %s after a restart follows %s", epoch, status.Epoch)
	}
}

func TestFollowerRefusesToWrite(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	for _, m := range c.members {
		if m == leader {
			continue
		}
		_, err := m.node.Apply(t.Context(), Forget{Epoch: epoch})
		wantError(t, err, ErrNotLeader)
		wantError(t, m.node.VerifyLeader(t.Context()), ErrNotLeader)
		wantError(t, m.node.TransferLeader(t.Context(), ""), ErrNotLeader)
	}
}

// A leader whose lead fails must not stay: it hands over, or stops if it cannot.
func TestFailingLead(t *testing.T) {
	t.Run("hands over", func(t *testing.T) {
		c := startLoopback(t, 3)
		bad, _ := c.leader()
		c.kill(bad)
		other, _ := c.leader()
		c.startWith(bad, func(context.Context, Epoch) error { return context.Canceled })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := other.node.TransferLeader(ctx, bad.cfg.NodeID); err != nil {
			t.Fatal(err)
		}
		if m, _ := c.leader(); m != bad {
			t.Fatalf("%s leads", m.cfg.NodeID)
		}
		if m, _ := c.leader(); m == bad {
			t.Fatal("the node that cannot lead leads again")
		}
	})
	t.Run("stops alone", func(t *testing.T) {
		c := startLoopback(t, 1)
		only, _ := c.leader()
		c.kill(only)
		c.startWith(only, func(context.Context, Epoch) error { return nil })
		err := <-only.done
		only.node = nil
		wantError(t, err, ErrLeadEnded)
	})
}

func TestIdentityIsKept(t *testing.T) {
	c := startLoopback(t, 1)
	only, _ := c.leader()
	c.kill(only)
	tests := map[string]func(*Config){
		"other node":    func(cfg *Config) { cfg.NodeID, cfg.Peers[0].ID = "miner-9", "miner-9" },
		"other cluster": func(cfg *Config) { cfg.ClusterID = "other" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := only.cfg
			cfg.Peers = append([]Peer(nil), cfg.Peers...)
			change(&cfg)
			_, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
			wantError(t, err, ErrIdentity)
		})
	}
	t.Run("other partitions", func(t *testing.T) {
		cfg := only.cfg
		cfg.Partitions++
		node, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		err = node.Run(t.Context(), func(context.Context, Epoch) error { return nil })
		wantError(t, err, ErrClusterMismatch)
	})
}

func TestPlaintextOffLoopbackIsRefused(t *testing.T) {
	cfg := Config{NodeID: "a", DataDir: t.TempDir(), Bind: "0.0.0.0:7001", Advertise: "10.0.0.1:7001", ClusterID: "c", Partitions: 1}
	_, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
	wantError(t, err, ErrPlaintext)
}
