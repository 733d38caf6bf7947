package e2e

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// metered is one supplier's share of a session, until relayers refuse.
type metered struct {
	ref    chain.SessionRef
	budget int64

	mu                     sync.Mutex
	served, mined, refused int64
}

// Applications with little stake are served by two relayers until both refuse, by all
// suppliers and, where three of four relays are not mined, by one. No more is served
// than the stake pays for; the chain pays all that is claimed and cuts nothing; and
// nothing is left of the meters.
func TestRelayMeter(t *testing.T) {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 60 // room for a slow machine to use the budgets up
	services := pocketchain.DefaultServices()
	for i := range services {
		if services[i].ID == "cosmos" {
			services[i].Difficulty = 4
		}
	}
	n, ctx := startOptions(t, devnet.Options{Chain: pocketchain.Options{
		Params: &params, Services: services, ApplicationStake: 1_200_000,
	}})
	b := newBadInput(t, ctx, n)
	client, err := chain.Dial(n.Chain().ID(), []chain.Node{{RPC: n.Chain().RPCURL(), GRPC: n.Chain().GRPCURL()}}, chain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	freshSession(b)
	shares := make(map[chain.SessionKey]*metered)
	for _, app := range n.Chain().Actors().Applications {
		suppliers := n.Chain().Actors().Suppliers
		switch app.Service {
		case "eth":
		case "cosmos":
			suppliers = suppliers[:1]
		default:
			continue
		}
		session := b.session(app, n.Chain().Height())
		for _, s := range suppliers {
			m := &metered{ref: chain.NewSessionRef(s.Address, session.Header)}
			budget, err := client.RelayBudget(ctx, m.ref)
			if err != nil {
				t.Fatal(err)
			}
			m.budget = budget.Relays
			shares[m.ref.Key()] = m
			m.exhaust(t, ctx, b, session)
		}
	}
	checkMetered(t, ctx, n, shares)
}

// exhaust asks through the balancer until relayers have refused often enough for both
// to be meant.
func (m *metered) exhaust(t *testing.T, ctx context.Context, b *badInput, session *gateway.Session) {
	t.Helper()
	const workers, enough = 4, 12
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := 0; m.more(enough); i++ {
				load := devnet.DefaultCall(m.ref.Service, i)
				answer, err := b.client.Send(ctx, b.net.BalancerURL(), session, m.ref.Supplier, load.RPCType, load.Call)
				if !m.count(answer, err) {
					t.Errorf("relay for %s: %v", m.ref.Service, err)
					return
				}
			}
		})
	}
	if group.Wait(); t.Failed() {
		t.FailNow()
	}
}

func (m *metered) more(enough int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused < enough
}

// count takes an answer or the refusal of a relay over the budget, and nothing else.
func (m *metered) count(answer *gateway.Answer, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refusal *gateway.Refusal
	switch {
	case err == nil:
		m.served++
		if answer.Mined {
			m.mined++
		}
	case errors.As(err, &refusal) && refusal.Codespace == "relayer_proxy" && refusal.Code == 7:
		m.refused++
	default:
		return false
	}
	return true
}

func checkMetered(t *testing.T, ctx context.Context, n *network, shares map[chain.SessionKey]*metered) {
	t.Helper()
	for _, m := range shares {
		t.Logf("%s of %s: budget %d, %d served, %d mined, %d refused", m.ref.Service, m.ref.Supplier, m.budget, m.served, m.mined, m.refused)
		// What is missing may be leased by the relayer that the last relays did not reach.
		if m.served > m.budget || m.served < m.budget*3/4 || m.budget < 20 {
			t.Errorf("%d relays were served of a budget of %d", m.served, m.budget)
		}
	}
	settled := 0
	_, err := n.Chain().WaitEntry(ctx, func(e pocketchain.Entry) bool {
		if cut, ok := e.Event.(*tokenomicstypes.EventApplicationOverserviced); ok {
			t.Errorf("the chain cut a claim: %+v", cut)
		}
		s, ok := e.Event.(*tokenomicstypes.EventClaimSettled)
		if !ok {
			return false
		}
		for _, m := range shares {
			if m.ref.Supplier != s.SupplierOperatorAddress || m.ref.Service != s.ServiceId || m.ref.EndHeight != s.SessionEndBlockHeight {
				continue
			}
			settled++
			if s.NumRelays != uint64(m.mined) || s.SettledUpokt != s.ClaimedUpokt {
				t.Errorf("%s of %s: %d relays are settled for %s of %s, want %d for all",
					m.ref.Service, m.ref.Supplier, s.NumRelays, s.SettledUpokt, s.ClaimedUpokt, m.mined)
			}
		}
		return settled == len(shares)
	})
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: n.Redis().Addr()})
	defer rdb.Close()
	if !eventually(ctx, func() bool { return len(metersOf(ctx, rdb)) == 0 }) {
		t.Errorf("meters are left: %v", metersOf(ctx, rdb))
	}
}

func metersOf(ctx context.Context, rdb *redis.Client) (meters []string) {
	for _, key := range rdb.Keys(ctx, "*").Val() {
		if strings.Contains(key, ":meter:") {
			meters = append(meters, key)
		}
	}
	return meters
}
