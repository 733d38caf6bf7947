package e2e

import (
	"bytes"
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// The leader dies twice, with SIGKILL, while relays flow.
func TestPaidLeaderKilledWhileRelaysFlow(t *testing.T) {
	n, ctx := start(t, "")
	report := n.drive(ctx, devnet.DriveOptions{KillLeader: 2})
	checkPaid(t, report)
	if report.LeaderKills != 2 {
		t.Errorf("%d leaders were killed, want 2", report.LeaderKills)
	}
}

// The leader dies between the steps that put a session on chain. Each row is
// the instant at which it kills itself with SIGKILL.
func TestPaidLeaderKilledBetween(t *testing.T) {
	for name, failpoint := range map[string]string{
		"seal and claim broadcast":        "claims.after_seal",
		"claim intent and broadcast":      "claims.claim_before_broadcast",
		"claim and proof":                 "claims.claim_landed",
		"proof broadcast and inclusion":   "claims.proof_after_broadcast",
		"flush script and its answer":     "flush.after_script",
		"reading relays and flush script": "flush.before_script",
	} {
		t.Run(name, func(t *testing.T) {
			n, ctx := start(t, failpoint+"=kill")
			checkPaid(t, n.drive(ctx, devnet.DriveOptions{}))
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if !n.hit(short) {
				t.Error("no leader was killed")
			}
		})
	}
}

// A leader that was stopped for longer than an election wakes up with a write
// under way. It must be refused: the flush by the fence in Redis, the broadcast
// because leadership does not verify. However long it was stopped, it follows.
func TestPaidStoppedLeaderIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		failpoint string
		stopped   time.Duration // on top of an election
		refused   func(t *testing.T, n *network, ctx context.Context, miner string) bool
	}{
		"flush": {"flush.before_script", 7 * time.Second, func(t *testing.T, n *network, ctx context.Context, miner string) bool {
			fenced, err := n.Metric(ctx, miner, "ha_miner_flush_fenced_total")
			return err == nil && fenced > 0
		}},
		"broadcast": {"claims.claim_before_broadcast", 0, func(_ *testing.T, n *network, _ context.Context, miner string) bool {
			return bytes.Contains(n.log(miner), []byte("broadcast refused: leadership is not verified"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n, ctx := start(t, row.failpoint+"=stop")
			old, err := n.WaitLeader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			woken := make(chan bool, 1)
			go func() { woken <- n.wakeAfterTakeover(ctx, old, row.stopped) }()
			checkPaid(t, n.drive(ctx, devnet.DriveOptions{}))
			if !<-woken {
				t.Fatal("the leader was not stopped and woken up")
			}
			if !eventually(ctx, func() bool { return row.refused(t, n, ctx, old) }) {
				t.Errorf("nothing shows that the old leader's %s was refused", name)
			}
			if _, err := n.Metric(ctx, old, leaderMetric); err != nil {
				t.Errorf("the old leader is gone: %v", err)
			}
		})
	}
}

// wakeAfterTakeover waits until the failpoint has stopped the old leader and
// another one has led for so long, then wakes it up.
func (n *network) wakeAfterTakeover(ctx context.Context, old string, stopped time.Duration) bool {
	if !n.hit(ctx) {
		return false
	}
	took := eventually(ctx, func() bool {
		leader, err := n.Leader(ctx)
		return err == nil && leader != old
	})
	time.Sleep(stopped) // the fault itself: longer than a leader waits for its writes
	return took && n.Kill(old, syscall.SIGCONT) == nil
}

// eventually polls until f holds, for a while.
func eventually(ctx context.Context, f func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// A relayer dies with relays in flight. Clients go on through the balancer with
// the other one, and what they were answered is paid. A relay that was published
// but not answered any more may be claimed as well: it was served.
func TestPaidRelayerKilled(t *testing.T) {
	n, ctx := start(t, "")
	var once sync.Once
	kill := func(p devnet.Progress) {
		if p.Answered >= 200 {
			once.Do(func() {
				if err := n.Kill("relayer-1", syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			})
		}
	}
	report := n.drive(ctx, devnet.DriveOptions{Progress: kill})
	t.Logf("%+v", report)
	if report.RelaysAnswered != 510 || report.RelaysMined != 510 || report.RelaysLost != 0 {
		t.Errorf("%d relays answered, %d mined, %d lost, want 510, 510, 0", report.RelaysAnswered, report.RelaysMined, report.RelaysLost)
	}
	if report.LeavesClaimed != report.RelaysMined+report.RelaysClaimedUnanswered {
		t.Errorf("%d leaves claimed, %d relays mined and %d unanswered", report.LeavesClaimed, report.RelaysMined, report.RelaysClaimedUnanswered)
	}
	if report.ClaimsSettled != report.ClaimsSubmitted || report.ClaimsExpired != 0 || report.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d suppliers slashed", report.ClaimsSettled, report.ClaimsSubmitted, report.ClaimsExpired, report.SuppliersSlashed)
	}
}
