package keystore

import (
	"context"
	"fmt"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
)

// Shortcoming is what a supplier lacks on chain to earn with its key. It is a metric
// label: the set is closed.
type Shortcoming string

// The shortcomings.
const (
	NotStaked Shortcoming = "not_staked"
	Unstaking Shortcoming = "unstaking"
	NoService Shortcoming = "no_service"
	NoFees    Shortcoming = "no_fees"
	LowFees   Shortcoming = "low_fees"
	NoPubKey  Shortcoming = "no_public_key"
	ThinStake Shortcoming = "thin_stake"
)

func shortcomings() []Shortcoming {
	return []Shortcoming{NotStaked, Unstaking, NoService, NoFees, LowFees, NoPubKey, ThinStake}
}

// Lack is a shortcoming of a supplier, and the sentence for its operator.
type Lack struct {
	Supplier string
	What     Shortcoming
	Sentence string
}

// Chain tells how suppliers stand; *chain.Client is one.
type Chain interface {
	Standing(ctx context.Context, supplier string) (chain.Standing, error)
	ProofParams(ctx context.Context) (*prooftypes.Params, error)
}

// checkParallel is how many suppliers are asked about at once.
const checkParallel = 8

// Check says what suppliers lack, in their order. Services are those that are served
// here; none is any.
func Check(ctx context.Context, c Chain, suppliers, services []string) ([]Lack, error) {
	params, err := c.ProofParams(ctx)
	if err != nil {
		return nil, fmt.Errorf("check suppliers: %w", err)
	}
	prices := pricesOf(params)
	lacks := make([][]Lack, len(suppliers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checkParallel)
	for i, supplier := range suppliers {
		group.Go(func() error {
			s, err := c.Standing(ctx, supplier)
			lacks[i] = lacking(s, services, prices)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("check suppliers: %w", err)
	}
	return slices.Concat(lacks...), nil
}

// lowDays is for how many days fees should last: long enough for a weekend.
const lowDays = 7

// thin is how many missed proofs a stake should survive.
const thin = 3

// prices are what the chain takes, in uPOKT.
type prices struct {
	proof  int64 // for a proof, besides the transaction's gas
	missed int64 // for a proof that is missed
}

func pricesOf(params *prooftypes.Params) (p prices) {
	if coin := params.GetProofSubmissionFee(); coin != nil && coin.Amount.IsInt64() {
		p.proof = coin.Amount.Int64()
	}
	if coin := params.GetProofMissingPenalty(); coin != nil && coin.Amount.IsInt64() {
		p.missed = coin.Amount.Int64()
	}
	return p
}

// lacking compares a supplier with what it needs.
func lacking(s chain.Standing, services []string, p prices) (lacks []Lack) {
	add := func(what Shortcoming, format string, args ...any) {
		lacks = append(lacks, Lack{s.Supplier, what, "supplier " + s.Supplier + " " + fmt.Sprintf(format, args...)})
	}
	served := func(service string) bool { return len(services) == 0 || slices.Contains(services, service) }
	switch {
	case !s.Staked:
		add(NotStaked, "is not staked: no session has it, so its key earns nothing")
	case s.LastBlock > 0:
		add(Unstaking, "is unstaking: its last session ends at block %d", s.LastBlock)
	case !slices.ContainsFunc(s.Services, served):
		add(NoService, "is staked for %v, and none of that is served here", s.Services)
	}
	if s.Staked && s.Spare < thin*p.missed {
		add(ThinStake, "has %d uPOKT of stake to spare, and a missed proof costs %d: it is unstaked after %d", s.Spare, p.missed, max(0, s.Spare)/p.missed+1)
	}
	if days := float64(s.Balance) / s.Spending; s.Balance > p.proof && days < lowDays {
		add(LowFees, "has %d uPOKT for fees and spends %.0f a day: that lasts for %.1f days", s.Balance, s.Spending, days)
	}
	if s.Balance <= p.proof {
		add(NoFees, "has %d uPOKT for fees, and a proof alone costs %d: send it some, or its claims and proofs are refused", s.Balance, p.proof)
	}
	if !s.PubKey {
		add(NoPubKey, "has no public key on chain, so gateways cannot check what it signs: send one transaction from it")
	}
	return lacks
}
