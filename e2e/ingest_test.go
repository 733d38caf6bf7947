package e2e

import (
	"context"
	"syscall"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// sumOf adds a metric up over the miners that answer.
func (n *network) sumOf(ctx context.Context, metric string) (sum float64) {
	for _, miner := range miners {
		if value, err := n.Metric(ctx, miner, metric); err == nil {
			sum += value
		}
	}
	return sum
}

// Redis dies for good after the trees were sealed, and the leader dies too. What
// is left is the log and the archives: the claims go out, and the proofs are made
// of what the next leader has on its disk.
func TestIngestProofsComeFromTheArchive(t *testing.T) {
	n, ctx := start(t, "")
	report := make(chan devnet.Report, 1)
	go func() {
		r, err := n.Drive(ctx, devnet.DriveOptions{Relays: 90, RPS: 60, Sessions: 1})
		if err != nil {
			t.Error(err)
		}
		report <- r
	}()
	if !eventually(ctx, func() bool { return n.sumOf(ctx, "ha_miner_claims_submitted_total") > 0 }) {
		t.Fatal("no claim landed")
	}
	if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := n.KillLeader(ctx); err != nil {
		t.Logf("the killed leader was not replaced within the usual time: %v", err)
	}
	r := <-report
	t.Logf("%+v", r)
	if r.RelaysAnswered != 90 || r.RelaysLost != 0 || r.LeavesClaimed != r.RelaysMined {
		t.Errorf("%d relays answered, %d mined, %d lost, %d leaves claimed", r.RelaysAnswered, r.RelaysMined, r.RelaysLost, r.LeavesClaimed)
	}
	if r.ClaimsSettled != r.ClaimsSubmitted || r.ClaimsExpired != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d suppliers slashed", r.ClaimsSettled, r.ClaimsSubmitted, r.ClaimsExpired, r.SuppliersSlashed)
	}
	if n.sumOf(ctx, "ha_miner_proofs_from_archive_total") == 0 {
		t.Error("no proof came from an archive")
	}
}
