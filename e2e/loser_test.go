package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Owners are cut off from the group in one direction, and still reach Redis. When
// others have raised the fences of their partitions, these are kept from Redis before
// they store anything, and relays come. The loser alone reads them, and what it then
// tries to store would fit but for the fence: Redis holds what it held before.
// In the end every relay is paid once.
func TestIngestLoserWritesNothing(t *testing.T) {
	r := newRack(t, miners)
	place := r.edit(certificates(t))
	params := pocketchain.DefaultParams()
	params.BlocksPerSession, params.ClaimWindowClose, params.ProofWindowClose = 20, 80, 60 // takeovers in a row
	n, ctx := startOptions(t, devnet.Options{
		Place: r.place, RedisUsers: userOfEachMiner(t), AppendFsync: "no",
		Chain: pocketchain.Options{Params: &params, ApplicationsPerService: 4},
		Edit: func(name string, config map[string]any) {
			place(name, config)
			if miner, ok := config["miner"].(map[string]any); ok {
				miner["ingest"].(map[string]any)["spread"] = true
				redis := config["redis"].(map[string]any)
				redis["username"], redis["password"] = name, "MINER-PASSWORD"
			}
		},
	})
	w := newWitness(t, n)
	relays := &cord{flow: make(chan struct{})}
	relays.release()
	var sent, large atomic.Int64
	enough := make(chan struct{})
	paid := n.driveAside(ctx, devnet.DriveOptions{
		Until: enough, Hold: relays.pass, Services: []string{"eth"},
		Call: func(_ string, i int) devnet.Load { return callOfSize(i, sent.Add(1) <= large.Load()) },
	})
	for _, step := range []isolation{
		{name: "a follower does not hear the leader", deaf: true,
			cut: func(l, x, _ string) [][2]string { return [][2]string{{x, l}} }},
		{name: "the leader hears nobody", leads: true, deaf: true, large: everySession,
			cut: func(l, x, y string) [][2]string { return [][2]string{{x, l}, {y, l}} }},
		{name: "nobody hears the leader", leads: true,
			cut: func(l, x, y string) [][2]string { return [][2]string{{l, x}, {l, y}} }},
	} {
		loser, x, y := n.roles(ctx)
		if !step.leads {
			loser, x = x, loser
			n.await(ctx, step.name+": every miner holds partitions", func() bool { return n.spread(ctx, miners...) })
		}
		n.await(ctx, step.name+": the loser stores relays", func() bool { return n.metric(ctx, loser, flushesMetric) > 0 })
		relays.hold()
		n.await(ctx, step.name+": what was published is stored", func() bool { return w.stored(ctx) })
		lost, fenced := w.believes(loser), w.count(ctx, loser, fencedMetric)
		links := step.cut(loser, x, y)
		for _, link := range links {
			r.cut(link[0], link[1])
		}
		n.await(ctx, step.name+": others raise the fences", func() bool { return len(w.heldBy(ctx, loser)) == 0 })
		w.allow(ctx, "resetkeys", x, y)
		before, flushes := w.read(ctx), w.count(ctx, loser, flushesMetric)
		sent.Store(0)
		large.Store(step.large)
		relays.release()
		n.await(ctx, step.name+": the loser lets go of what relays come to", func() bool {
			return n.metric(ctx, loser, flushesMetric) > flushes || // it should not
				sent.Load() >= everySession && w.anyLags(ctx, lost) && !w.anyLags(ctx, w.believes(loser))
		})
		if changed := changedKeys(before, w.read(ctx)); len(changed) > 0 {
			t.Errorf("%s: the loser changed %q", step.name, changed)
		}
		refused := w.count(ctx, loser, fencedMetric) - fenced
		t.Logf("%s: %v writes of %s were refused", step.name, refused, loser)
		if step.deaf && refused == 0 {
			t.Errorf("%s: no write of the loser was refused", step.name)
		}
		w.allow(ctx, "~rm:*", x, y)
		for _, link := range links {
			r.mend(link[0], link[1])
		}
		n.await(ctx, step.name+": all follow again", func() bool {
			leader, err := n.Leader(ctx)
			return err == nil && n.followers(ctx, leader) == 2
		})
	}
	close(enough)
	report := paid()
	// One that a client gave up and sent again may have been served twice.
	tries := 0
	for _, count := range report.Retried {
		tries += count
	}
	t.Logf("%d relays claimed but unanswered, tries that failed: %v", report.RelaysClaimedUnanswered, report.Retried)
	if twice := report.RelaysClaimedUnanswered; twice <= uint64(tries) {
		report.LeavesClaimed, report.RelaysClaimedUnanswered = report.LeavesClaimed-twice, 0
	}
	checkPaidExactly(t, report, report.RelaysAnswered)
}

// everySession is after how many relays each supplier got some of each application.
const everySession = 24

// isolation is how an owner is cut off.
type isolation struct {
	name  string
	leads bool                                 // the loser
	cut   func(loser, x, y string) [][2]string // directions, from and to; x leads if the loser does not
	deaf  bool                                 // the loser cannot learn who has its partitions: it must be refused
	large int64                                // so many relays are so large that their nodes are staged
}

// pass waits until the cord flows.
func (c *cord) pass(ctx context.Context) error {
	select {
	case <-c.flowing():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// callOfSize is a relay that goes with the script of a flush, or one that is so large
// that it is staged before.
func callOfSize(i int, large bool) devnet.Load {
	padding := ""
	if large {
		padding = `"` + strings.Repeat("x", 100<<10) + `"`
	}
	return devnet.Load{RPCType: sharedtypes.RPCType_JSON_RPC, Call: gateway.Call{
		Method: http.MethodPost, URL: "/", Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"eth_blockNumber","params":[%s]}`, i, padding),
	}}
}

// userOfEachMiner are the users of docs/redis.md, with one for each miner.
func userOfEachMiner(t *testing.T) (users []string) {
	t.Helper()
	for _, user := range documentedUsers(t) {
		if rules, ok := strings.CutPrefix(user, "miner "); ok {
			for _, miner := range miners {
				users = append(users, miner+" "+rules)
			}
		}
	}
	if len(users) != len(miners) {
		t.Fatalf("users of miners: %q", users)
	}
	return users
}
