package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/claims"
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

// awaitClaims waits until so many relays are claimed.
func (n *network) awaitClaims(ctx context.Context, relays uint64) {
	n.t.Helper()
	if !eventually(ctx, func() bool {
		var sessions []sessionLoss
		n.tells(ctx, miners[0], &sessions, "sessions")
		var claimed uint64
		for _, s := range sessions {
			if slices.Contains([]string{"claimed", "proved", "settled"}, s.Stage) {
				claimed += s.Relays
			}
		}
		return claimed == relays
	}) {
		n.t.Fatalf("%d relays were not claimed", relays)
	}
}

// Redis dies for good after the trees were sealed, and the leader dies too. What
// is left is the log and the archives: the claims go out, and the proofs are made
// of what the next leader has on its disk.
func TestIngestProofsComeFromTheArchive(t *testing.T) {
	n, ctx := start(t, "")
	report := n.driveAside(ctx, devnet.DriveOptions{Relays: 90, Sessions: 1})
	n.awaitClaims(ctx, 90)
	if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := n.KillLeader(ctx); err != nil {
		t.Logf("the killed leader was not replaced within the usual time: %v", err)
	}
	r := report()
	t.Logf("%+v", r)
	checkAllPaid(t, r)
	if r.RelaysAnswered != 90 {
		t.Errorf("%d relays answered, want 90", r.RelaysAnswered)
	}
	if n.sumOf(ctx, "ha_miner_proofs_from_archive_total") == 0 {
		t.Error("no proof came from an archive")
	}
}

// The leader could archive nothing, others could: the proofs are made of what they have.
func TestIngestProofsComeFromOtherMembers(t *testing.T) {
	n, ctx := start(t, "")
	leader, _, _ := n.roles(ctx)
	n.withoutArchive(leader)
	report := n.driveAside(ctx, devnet.DriveOptions{Relays: 90, Sessions: 1})
	n.awaitClaims(ctx, 90)
	if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r := report()
	t.Logf("%+v", r)
	checkAllPaid(t, r)
	if n.metric(ctx, leader, "ha_miner_proofs_from_archive_total") <= 0 {
		t.Errorf("no proof of %s came from an archive", leader)
	}
}

// Redis keeps nothing, dies while relays flow and comes back empty. The relayers
// publish again what they had, and every relay that was answered is paid.
func TestIngestRedisLosesEverything(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	n := &network{t: t}
	users := documentedUsers(t)
	n.boot(ctx, devnet.Options{AppendFsync: "no", RedisUsers: users, Edit: func(name string, config map[string]any) {
		role, _, _ := strings.Cut(name, "-")
		config["redis"].(map[string]any)["username"] = role
		config["redis"].(map[string]any)["password"] = strings.ToUpper(role) + "-PASSWORD"
	}})
	r, err := n.Drive(ctx, devnet.DriveOptions{Relays: 300, RPS: 60, Sessions: 1, Progress: n.restartRedis(ctx, 150)})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if r.RelaysLost != 0 || r.RelaysAnswered < 290 || r.LeavesClaimed != r.RelaysMined+r.RelaysClaimedUnanswered {
		t.Errorf("%d relays answered, %d mined, %d lost, %d leaves claimed, %d of them unanswered",
			r.RelaysAnswered, r.RelaysMined, r.RelaysLost, r.LeavesClaimed, r.RelaysClaimedUnanswered)
	}
	if r.ClaimsSettled != r.ClaimsSubmitted || r.ClaimsExpired != 0 || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d expired, %d suppliers slashed", r.ClaimsSettled, r.ClaimsSubmitted, r.ClaimsExpired, r.SuppliersSlashed)
	}
	rdb := redis.NewClient(&redis.Options{Addr: n.Redis().Addr()})
	defer rdb.Close()
	if refused := rdb.Do(ctx, "ACL", "LOG").Val(); fmt.Sprint(refused) != "[]" {
		t.Errorf("the users of docs/redis.md were refused: %v", refused)
	}
	if lost := n.sumOf(ctx, "ha_miner_relays_declared_lost_total"); lost != 0 {
		t.Errorf("%v relays were declared lost", lost)
	}
	var republished float64
	for _, relayer := range []string{"relayer-1", "relayer-2"} {
		value, err := n.Metric(ctx, relayer, "ha_relayer_spool_republished_total")
		if err != nil {
			t.Error(err)
		}
		republished += value
	}
	if republished == 0 {
		t.Error("no relayer published anything again")
	}
}

// Redis keeps nothing and dies while relays flow, and the relayers' spools hold but a
// few. The loss is reported to the relay, session by session, and the rest is paid.
func TestIngestLossIsReported(t *testing.T) {
	losing(t, 20<<10, devnet.DriveOptions{Relays: 300, RPS: 60}, 150)
}

// No relay comes after Redis died, and spools hold fewer than there are trees: of some
// sessions nothing is left, whether a miner ever heard of them or not.
func TestIngestLossOfWholeSessionsIsReported(t *testing.T) {
	sessions := losing(t, 2<<10, devnet.DriveOptions{Relays: 60, RPS: 120}, 60)
	whole, unheard := 0, 0
	for _, s := range sessions {
		if s.Reason == string(claims.ReasonRelaysLost) && s.Stage == "lost" && s.RelaysLost > 0 {
			whole++
			if s.Relays == 0 {
				unheard++
			}
		}
	}
	if whole == 0 {
		t.Errorf("no session was lost whole: %+v", sessions)
	}
	t.Logf("%d of %d sessions lost whole, %d of them before a checkpoint", whole, len(sessions), unheard)
}

// sessionLoss is what the ledger has of a session.
type sessionLoss struct {
	Stage      string `json:"stage"`
	Reason     string `json:"reason"`
	Relays     uint64 `json:"relays"` // that a checkpoint or the seal had
	RelaysLost uint64 `json:"relays_lost"`
}

// losing drives relays whose Redis restarts empty after as many answers, checks that the
// loss is reported exactly, and returns what the ledger has.
func losing(t *testing.T, spool int, opts devnet.DriveOptions, after int) []sessionLoss {
	t.Helper()
	n, ctx := startOptions(t, devnet.Options{AppendFsync: "no", Edit: spools(spool)})
	opts.Progress = n.restartRedis(ctx, after)
	r, err := n.Drive(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	return n.checkLoss(ctx, r)
}

// spools gives each relayer one of so many bytes.
func spools(bytes int) func(string, map[string]any) {
	return func(_ string, config map[string]any) {
		if relayer, ok := config["relayer"].(map[string]any); ok {
			relayer["spool"] = map[string]any{"max_bytes": bytes}
		}
	}
}

// checkLoss checks that what was lost is reported exactly and the rest is paid, and
// returns what the ledger has.
func (n *network) checkLoss(ctx context.Context, r devnet.Report) (sessions []sessionLoss) {
	t := n.t
	t.Helper()
	t.Logf("%+v", r)
	if r.RelaysLost == 0 || r.LeavesClaimed == 0 {
		t.Fatal("nothing was lost, or everything: the spools hold too much or too little")
	}
	if r.ClaimsSettled != r.ClaimsSubmitted || r.SuppliersSlashed != 0 {
		t.Errorf("%d of %d claims settled, %d suppliers slashed", r.ClaimsSettled, r.ClaimsSubmitted, r.SuppliersSlashed)
	}
	// A relay that was in a stream and that its client has no answer for may be lost, too.
	lost := r.RelaysMined + r.RelaysClaimedUnanswered - r.LeavesClaimed
	if got := n.sumOf(ctx, "ha_miner_relays_declared_lost_total"); got != float64(lost) {
		t.Errorf("%v relays were declared lost, want %d", got, lost)
	}
	n.tells(ctx, miners[0], &sessions, "sessions")
	var told uint64
	for _, s := range sessions {
		told += s.RelaysLost
	}
	if told != lost {
		t.Errorf("the ledger has %d relays lost, want %d", told, lost)
	}
	return sessions
}

// restartRedis kills Redis once so many relays were answered or given up, and starts it
// again.
func (n *network) restartRedis(ctx context.Context, relays int) func(devnet.Progress) {
	var once sync.Once
	return func(p devnet.Progress) {
		if p.Answered+p.Failed < relays {
			return
		}
		once.Do(func() {
			if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
				n.t.Error(err)
			}
			if err := n.Redis().Restart(ctx); err != nil {
				n.t.Error(err)
			}
		})
	}
}

// documentedUsers are the users of Redis that docs/redis.md asks for.
func documentedUsers(t *testing.T) (users []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if rules, ok := strings.CutPrefix(line, "user "); ok {
			users = append(users, rules)
		}
	}
	if len(users) != 2 {
		t.Fatalf("docs/redis.md has users %q, want a relayer and a miner", users)
	}
	return users
}

// emptiedAfterSeals drives relays of one session. Redis dies once trees are sealed, with
// nobody's archive written yet, and comes back empty.
func emptiedAfterSeals(t *testing.T, relays, spool int) (*network, context.Context, devnet.Report) {
	t.Helper()
	n, ctx := startOptions(t, devnet.Options{AppendFsync: "no", Edit: spools(spool)})
	back := n.withoutArchive(miners...)
	report := n.driveAside(ctx, devnet.DriveOptions{Relays: relays, Sessions: 1})
	if !eventually(ctx, func() bool { return n.sumOf(ctx, "ha_miner_tree_archive_errors_total") > 0 }) {
		t.Error("no tree was sealed")
	}
	if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := n.Redis().Restart(ctx); err != nil {
		t.Fatal(err)
	}
	back()
	return n, ctx, report()
}

// withoutArchive keeps miners from archiving anything until back is called.
func (n *network) withoutArchive(names ...string) (back func()) {
	move := func(from, to string) {
		n.t.Helper()
		for _, name := range names {
			dir := filepath.Join(n.dataDir(name), "archive")
			if err := os.Rename(dir+from, dir+to); err != nil {
				n.t.Error(err)
			}
		}
	}
	move("", ".away")
	return func() { move(".away", "") }
}

// Spools hold a few of the relays of sealed trees that Redis lost: what they have is
// claimed instead, and no claim goes out that nobody could prove.
func TestIngestLossAfterTheSealIsReported(t *testing.T) {
	n, ctx, r := emptiedAfterSeals(t, 150, 20<<10)
	again := 0
	for _, s := range n.checkLoss(ctx, r) {
		if s.Stage == "settled" && s.RelaysLost > 0 {
			again++
		}
	}
	if again == 0 {
		t.Error("no session was claimed with what was left of it: redis was lost too early or too late")
	}
}

// The relayers still have the relays: the sealed trees are built again, archived and
// proven.
func TestIngestSealedTreesOutliveRedis(t *testing.T) {
	n, ctx, r := emptiedAfterSeals(t, 90, 64<<20)
	t.Logf("%+v", r)
	checkAllPaid(t, r)
	if r.RelaysAnswered != 90 {
		t.Errorf("%d relays answered, want 90", r.RelaysAnswered)
	}
	if n.sumOf(ctx, "ha_miner_trees_restored_total") == 0 {
		t.Error("no tree was restored: redis was lost too early or too late")
	}
}

// Redis is away for seconds while relays flow. Relayers with a spool on disk answer
// all the same, and every relay is paid.
func TestIngestRelaysFlowWithoutRedis(t *testing.T) {
	spools := t.TempDir()
	n, ctx := startWith(t, "", func(name string, config map[string]any) {
		if relayer, ok := config["relayer"].(map[string]any); ok {
			relayer["spool"] = map[string]any{"dir": filepath.Join(spools, name)}
		}
	})
	var kill, back sync.Once
	progress := func(p devnet.Progress) {
		if p.Answered >= 60 {
			kill.Do(func() {
				if err := n.Redis().Signal(syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			})
		}
		if p.Answered >= 180 { // two seconds of relays later
			back.Do(func() {
				if err := n.Redis().Restart(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
	r, err := n.Drive(ctx, devnet.DriveOptions{Relays: 300, RPS: 60, Sessions: 1, Progress: progress})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	// A relay may wait a little before the spool takes it. A client that gave up
	// meanwhile sent it again: then both were served, and both are claimed.
	if r.RelaysAnswered != 300 || r.RelaysFailed != 0 || r.RelaysLost != 0 || r.LeavesClaimed != 300+r.RelaysClaimedUnanswered {
		t.Errorf("%d relays answered, %d failed (%v), %d lost, %d leaves claimed, want 300 of 300 paid",
			r.RelaysAnswered, r.RelaysFailed, r.Failures, r.RelaysLost, r.LeavesClaimed)
	}
	var accepted, late float64
	for _, relayer := range []string{"relayer-1", "relayer-2"} {
		value, err := n.Metric(ctx, relayer, "ha_relayer_spool_accepted_total")
		if err != nil {
			t.Error(err)
		}
		accepted += value
		if value, err = n.Metric(ctx, relayer, "ha_relayer_spool_late_total"); err != nil {
			t.Error(err)
		}
		late += value
	}
	if accepted == 0 || late != 0 {
		t.Errorf("%v relays were accepted by spools, %v of them too late for their sessions", accepted, late)
	}
}
