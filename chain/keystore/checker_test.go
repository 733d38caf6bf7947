package keystore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/raftminer/raftminer/chain"
)

// fakeChain has a supplier that lacks something under each address.
type fakeChain struct {
	change map[string]func(*chain.Standing)
	asked  chan struct{}
	err    error
}

func (c *fakeChain) ProofParams(context.Context) (*prooftypes.Params, error) {
	fee := sdk.NewCoin("upokt", sdkmath.NewInt(1000))
	penalty := sdk.NewCoin("upokt", sdkmath.NewInt(100))
	return &prooftypes.Params{ProofSubmissionFee: &fee, ProofMissingPenalty: &penalty}, c.err
}

func (c *fakeChain) Standing(_ context.Context, supplier string) (chain.Standing, error) {
	c.asked <- struct{}{}
	s := chain.Standing{Supplier: supplier, Staked: true, Spare: 300, Services: []string{"eth"}, Balance: 5000, PubKey: true}
	if change := c.change[supplier]; change != nil {
		change(&s)
	}
	return s, nil
}

func TestWhatSuppliersLack(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*chain.Standing)
		want   []Shortcoming
		says   string
	}{
		"nothing":        {func(*chain.Standing) {}, nil, ""},
		"stake":          {func(s *chain.Standing) { s.Staked = false }, []Shortcoming{NotStaked}, "is not staked"},
		"a future":       {func(s *chain.Standing) { s.LastBlock = 77 }, []Shortcoming{Unstaking}, "at block 77"},
		"our services":   {func(s *chain.Standing) { s.Services = []string{"sol"} }, []Shortcoming{NoService}, "staked for [sol]"},
		"fees":           {func(s *chain.Standing) { s.Balance = 1000 }, []Shortcoming{NoFees}, "has 1000 uPOKT for fees"},
		"fees for long":  {func(s *chain.Standing) { s.Spending = 1600 }, []Shortcoming{LowFees}, "has 5000 uPOKT for fees and spends 1600 a day: that lasts for 3.1 days"},
		"no more fees":   {func(s *chain.Standing) { s.Spending, s.Balance = 1600, 900 }, []Shortcoming{NoFees}, "has 900 uPOKT for fees"},
		"nothing yet":    {func(s *chain.Standing) { s.Spending = 700 }, nil, ""},
		"spare stake":    {func(s *chain.Standing) { s.Spare = 299 }, []Shortcoming{ThinStake}, "it is unstaked after 3"},
		"no spare stake": {func(s *chain.Standing) { s.Spare = -1 }, []Shortcoming{ThinStake}, "it is unstaked after 1"},
		"public key":     {func(s *chain.Standing) { s.PubKey = false }, []Shortcoming{NoPubKey}, "no public key on chain"},
		"everything":     {func(s *chain.Standing) { *s = chain.Standing{Supplier: s.Supplier} }, []Shortcoming{NotStaked, NoFees, NoPubKey}, "pokt1x"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &fakeChain{change: map[string]func(*chain.Standing){"pokt1x": test.change}, asked: make(chan struct{}, 9)}
			lacks, err := Check(t.Context(), c, []string{"pokt1w", "pokt1x", "pokt1y"}, []string{"eth"})
			if err != nil {
				t.Fatal(err)
			}
			var got []Shortcoming
			for _, lack := range lacks {
				got = append(got, lack.What)
				if lack.Supplier != "pokt1x" || !strings.HasPrefix(lack.Sentence, "supplier pokt1x ") {
					t.Errorf("got %+v", lack)
				}
			}
			if !slices.Equal(got, test.want) || len(lacks) > 0 && !strings.Contains(lacks[0].Sentence, test.says) {
				t.Errorf("got %v, want %v with %q", lacks, test.want, test.says)
			}
		})
	}
	lacks := lacking(chain.Standing{Supplier: "pokt1x", Staked: true, Services: []string{"sol"}, Balance: 5, PubKey: true}, nil, prices{})
	if len(lacks) > 0 {
		t.Errorf("a miner has no services of its own, got %v", lacks)
	}
}

// A checker asks when a key is new, and each hour, and says everything once.
func TestChecker(t *testing.T) {
	w := newWorld(t, 1, 2)
	poor := addressOf(t, 2)
	c := &fakeChain{
		change: map[string]func(*chain.Standing){poor: func(s *chain.Standing) { s.Staked = false }},
		asked:  make(chan struct{}, 99), err: errors.New("no node"),
	}
	checker, now := NewChecker(w.store, c, nil), time.Unix(1e9, 0)
	step := func(after time.Duration, asked, told int) {
		t.Helper()
		now = now.Add(after)
		checker.look(t.Context(), now)
		if len(c.asked) != asked {
			t.Errorf("asked for %d suppliers, want %d", len(c.asked), asked)
		}
		for range len(c.asked) {
			<-c.asked
		}
		if got := w.logs.FilterMessageSnippet("is not staked").Len(); got != told {
			t.Errorf("told %d times, want %d", got, told)
		}
	}
	step(0, 0, 0) // no node answers
	c.err = nil
	step(time.Second, 2, 1)
	if got := testutil.ToFloat64(w.metrics.lacking.WithLabelValues(string(NotStaked))); got != 1 {
		t.Errorf("%g suppliers without a stake, want 1", got)
	}
	step(time.Second, 0, 1)
	w.write(lines(1, 2, 3))
	w.settle()
	step(time.Second, 3, 1)
	step(checkAgain, 3, 1)
	maps.DeleteFunc(c.change, func(string, func(*chain.Standing)) bool { return true })
	step(checkAgain, 3, 1)
	if got := testutil.ToFloat64(w.metrics.lacking.WithLabelValues(string(NotStaked))); got != 0 {
		t.Errorf("%g suppliers without a stake, want none", got)
	}
	w.write(lines(1, 2))
	w.settle()
	step(checkAgain, 2, 1) // the retired one is not asked for
}

// What the chain does to a supplier of ours is told, and all are looked up at once.
func TestCheckerHeeds(t *testing.T) {
	w := newWorld(t, 1)
	ours := addressOf(t, 1)
	checker := NewChecker(w.store, &fakeChain{asked: make(chan struct{}, 9)}, nil)
	for _, test := range []struct {
		event chain.Event
		tells int
		looks bool
	}{
		{chain.Event{Kind: chain.EventSlashed, Supplier: ours, Name: "EventSupplierSlashed"}, 1, true},
		{chain.Event{Kind: chain.EventSupplier, Supplier: ours, Name: "EventSupplierUnbondingBegin"}, 1, true},
		{chain.Event{Kind: chain.EventMissed}, 0, true},
		{chain.Event{Kind: chain.EventSupplier, Supplier: addressOf(t, 2)}, 0, false},
	} {
		before := w.logs.FilterMessageSnippet("changed a supplier").Len()
		checker.Heed(test.event)
		checker.Heed(chain.Event{Kind: chain.EventParams}) // of no account
		if got := w.logs.FilterMessageSnippet("changed a supplier").Len() - before; got != test.tells {
			t.Errorf("%+v: told %d times, want %d", test.event, got, test.tells)
		}
		looks := false
		select {
		case <-checker.now:
			looks = true
		default:
		}
		if looks != test.looks {
			t.Errorf("%+v: looks %t, want %t", test.event, looks, test.looks)
		}
	}
}
