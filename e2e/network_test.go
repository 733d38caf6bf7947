package e2e

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
)

const testTimeout = 4 * time.Minute

// binary returns the path of a binary built with the race detector and with
// failpoints, as scripts/test-system.sh makes them.
func binary(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("RAFTMINER_TEST_BIN")
	if dir == "" {
		t.Fatal("RAFTMINER_TEST_BIN is not set: run `make test-system`, which builds the binaries")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// network is a devnet whose miners may have failpoints armed.
type network struct {
	*devnet.Devnet
	t    *testing.T
	once string // created by the process that a failpoint hits
}

// start boots a network. A failpoint, as name=action, hits one miner once.
func start(t *testing.T, failpoint string) (*network, context.Context) {
	t.Helper()
	return startWith(t, failpoint, nil)
}

// startWith boots a network whose configurations were edited.
func startWith(t *testing.T, failpoint string, edit func(name string, config map[string]any)) (*network, context.Context) {
	t.Helper()
	return startFor(t, testTimeout, failpoint, edit)
}

// startFor boots a network that may live for so long.
func startFor(
	t *testing.T, life time.Duration, failpoint string, edit func(name string, config map[string]any),
) (*network, context.Context) {
	t.Helper()
	t.Parallel() // a network waits for blocks most of the time
	ctx, cancel := context.WithTimeout(context.Background(), life)
	t.Cleanup(cancel)
	n := &network{t: t, once: filepath.Join(t.TempDir(), "hit")}
	opts := devnet.Options{Env: make(map[string][]string), Edit: edit}
	if failpoint != "" {
		for _, miner := range miners {
			opts.Env[miner] = []string{"RAFTMINER_FAILPOINTS=" + failpoint + "@" + n.once}
		}
	}
	n.boot(ctx, opts)
	return n, ctx
}

// startOptions boots a network of another make.
func startOptions(t *testing.T, opts devnet.Options) (*network, context.Context) {
	t.Helper()
	t.Parallel() // a network waits for blocks most of the time
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	n := &network{t: t}
	n.boot(ctx, opts)
	return n, ctx
}

func (n *network) boot(ctx context.Context, opts devnet.Options) {
	n.t.Helper()
	opts.Binary, opts.StateDir = binary(n.t, "raftminer"), cmp.Or(opts.StateDir, n.t.TempDir())
	var err error
	if n.Devnet, err = devnet.Start(ctx, opts); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(n.stop)
}

var miners = []string{"miner-1", "miner-2", "miner-3"}

func (n *network) stop() {
	if n.t.Failed() {
		n.showLogs()
	}
	if err := n.Close(); err != nil {
		n.t.Errorf("stop the network: %v", err)
	}
	for _, p := range n.processes() {
		if bytes.Contains(n.log(p.Name), []byte("DATA RACE")) {
			n.t.Errorf("%s has a data race:\n%s", p.Name, n.log(p.Name))
		}
	}
}

// processes are the relayers and the miners.
func (n *network) processes() []devnet.ManifestProcess {
	return slices.Concat(n.Manifest().Relayers, n.Manifest().Miners)
}

func (n *network) log(name string) []byte {
	bz, err := os.ReadFile(filepath.Join(n.Dir(), "logs", name+".log"))
	if err != nil {
		n.t.Errorf("log of %s: %v", name, err)
	}
	return bz
}

// showLogs shows how the logs end, and keeps them whole where
// RAFTMINER_TEST_LOGS says.
func (n *network) showLogs() {
	if dir := os.Getenv("RAFTMINER_TEST_LOGS"); dir != "" {
		if err := os.CopyFS(filepath.Join(dir, n.t.Name()), os.DirFS(filepath.Join(n.Dir(), "logs"))); err != nil {
			n.t.Errorf("keep the logs: %v", err)
		}
	}
	const tail = 2000 // what the test says must not drown in it
	for _, p := range n.processes() {
		log := n.log(p.Name)
		n.t.Logf("end of the log of %s:\n%s", p.Name, log[max(0, len(log)-tail):])
	}
}

// hit waits until the failpoint has hit a miner, and says whether it did.
func (n *network) hit(ctx context.Context) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(n.once); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// drive sends the relays that most tests use.
func (n *network) drive(ctx context.Context, opts devnet.DriveOptions) devnet.Report {
	n.t.Helper()
	return n.driveAside(ctx, opts)()
}

// driveAside sends those relays while the test goes on; the result waits for the
// report.
func (n *network) driveAside(ctx context.Context, opts devnet.DriveOptions) func() devnet.Report {
	opts.RPS = 60
	if opts.Until == nil && opts.Relays == 0 {
		opts.Relays, opts.Sessions = 510, 3
	}
	var report devnet.Report
	ended := make(chan error, 1)
	go func() {
		var err error
		report, err = n.Drive(ctx, opts)
		ended <- err
	}()
	return func() devnet.Report {
		n.t.Helper()
		if err := <-ended; err != nil {
			n.t.Fatal(err)
		}
		return report
	}
}

// checkPaid asserts that the chain paid exactly what clients were answered, which is
// all that most tests send.
func checkPaid(t *testing.T, r devnet.Report) {
	t.Helper()
	checkPaidExactly(t, r, 510)
}

// checkPaidExactly asserts that so many relays were answered, and paid.
func checkPaidExactly(t *testing.T, r devnet.Report, relays int) {
	t.Helper()
	t.Logf("%+v", r)
	if r.RelaysFailed != 0 {
		t.Errorf("%d relays were not answered: %v", r.RelaysFailed, r.Failures)
	}
	if want := uint64(relays); r.RelaysAnswered != relays || r.RelaysMined != want || r.LeavesClaimed != want {
		t.Errorf("%d relays answered, %d mined, %d leaves claimed, want %d of each", r.RelaysAnswered, r.RelaysMined, r.LeavesClaimed, relays)
	}
	if r.RelaysLost != 0 || r.RelaysClaimedUnanswered != 0 {
		t.Errorf("%d relays lost, %d claimed but unanswered, want none", r.RelaysLost, r.RelaysClaimedUnanswered)
	}
	if r.Sessions < 3 {
		t.Errorf("%d sessions, want at least 3", r.Sessions)
	}
	if n := r.ClaimsSubmitted; n == 0 || r.ClaimsSettled != n || r.ProofsRequired != n || r.ProofsValidated != n {
		t.Errorf("%d claims, %d settled, %d proofs required, %d validated, want all equal", n, r.ClaimsSettled, r.ProofsRequired, r.ProofsValidated)
	}
	if r.ClaimsUpdated != 0 || r.ClaimsExpired != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d claims replaced, %d expired, %d suppliers slashed, want none", r.ClaimsUpdated, r.ClaimsExpired, r.SuppliersSlashed)
	}
}
