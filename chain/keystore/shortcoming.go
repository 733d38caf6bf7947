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
	NoPubKey  Shortcoming = "no_public_key"
)

func shortcomings() []Shortcoming {
	return []Shortcoming{NotStaked, Unstaking, NoService, NoFees, NoPubKey}
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
	fee := int64(0)
	if coin := params.GetProofSubmissionFee(); coin != nil && coin.Amount.IsInt64() {
		fee = coin.Amount.Int64()
	}
	lacks := make([][]Lack, len(suppliers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(checkParallel)
	for i, supplier := range suppliers {
		group.Go(func() error {
			s, err := c.Standing(ctx, supplier)
			lacks[i] = lacking(s, services, fee)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("check suppliers: %w", err)
	}
	return slices.Concat(lacks...), nil
}

// lacking compares a supplier with what it needs. Fee is what the chain takes for a
// proof, in uPOKT, besides the transaction's gas.
func lacking(s chain.Standing, services []string, fee int64) (lacks []Lack) {
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
	if s.Balance <= fee {
		add(NoFees, "has %d uPOKT for fees, and a proof alone costs %d: send it some, or its claims and proofs are refused", s.Balance, fee)
	}
	if !s.PubKey {
		add(NoPubKey, "has no public key on chain, so gateways cannot check what it signs: send one transaction from it")
	}
	return lacks
}
