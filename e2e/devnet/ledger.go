package devnet

import (
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// outcome is what the chain did with one supplier's share of a session.
type outcome struct {
	claimed   uint64 // leaves in the latest claim
	claims    int    // claims created
	updates   int    // claims replaced by a later one
	settled   bool
	leaves    uint64 // leaves settled
	required  bool   // a proof was required
	validated bool
	expired   bool // expired or discarded, unpaid
	slashed   bool
	upokt     int64 // what the application was charged
	earned    int64 // what the supplier was paid of it
}

// readOutcomes reads, from the chain's own events, what became of the sessions
// that end at or after firstEnd.
func readOutcomes(entries []pocketchain.Entry, firstEnd int64) (map[earnedKey]*outcome, error) {
	outcomes := make(map[earnedKey]*outcome)
	for _, entry := range entries {
		event, ok := entry.Event.(claimEvent)
		if !ok || event.GetSessionEndBlockHeight() < firstEnd {
			continue
		}
		key := earnedKey{
			Supplier:    event.GetSupplierOperatorAddress(),
			Application: event.GetApplicationAddress(),
			Service:     event.GetServiceId(),
			SessionEnd:  event.GetSessionEndBlockHeight(),
		}
		if outcomes[key] == nil {
			outcomes[key] = new(outcome)
		}
		if err := outcomes[key].apply(event); err != nil {
			return nil, fmt.Errorf("event %T in block %d: %w", event, entry.Height, err)
		}
	}
	return outcomes, nil
}

// claimEvent is what all events about one claim have.
type claimEvent interface {
	GetSupplierOperatorAddress() string
	GetApplicationAddress() string
	GetServiceId() string
	GetSessionEndBlockHeight() int64
}

func (o *outcome) apply(event claimEvent) error {
	switch e := event.(type) {
	case *prooftypes.EventClaimCreated:
		o.claims++
		o.claimed = e.NumRelays
	case *prooftypes.EventClaimUpdated:
		o.updates++
		o.claimed = e.NumRelays
	case *tokenomicstypes.EventClaimSettled:
		return o.settle(e)
	case *tokenomicstypes.EventClaimExpired:
		o.expired, o.required = true, true
	case *tokenomicstypes.EventClaimDiscarded:
		o.expired = true
	case *tokenomicstypes.EventSupplierSlashed:
		o.slashed = true
	}
	return nil
}

func (o *outcome) settle(e *tokenomicstypes.EventClaimSettled) error {
	o.settled, o.leaves = true, e.NumRelays
	o.validated = prooftypes.ClaimProofStatus(e.ClaimProofStatusInt) == prooftypes.ClaimProofStatus_VALIDATED
	// The event draws the sample again, from a claim that has changed since when it
	// was proved. A proof that is not required is refused (poktroll
	// x/proof/keeper/msg_server_submit_proof.go), so what is proved was required.
	o.required = o.validated || prooftypes.ProofRequirementReason(e.ProofRequirementInt) != prooftypes.ProofRequirementReason_NOT_REQUIRED
	amount := e.SettledUpokt
	if amount == "" {
		amount = e.ClaimedUpokt
	}
	var err error
	if o.upokt, err = upokt(amount); err != nil {
		return err
	}
	if paid, ok := e.RewardDistribution[e.SupplierOwnerAddress]; ok {
		if o.earned, err = upokt(paid); err != nil {
			return err
		}
	}
	return nil
}

func upokt(coin string) (int64, error) {
	parsed, err := sdk.ParseCoinNormalized(coin)
	if err != nil {
		return 0, fmt.Errorf("amount %q: %w", coin, err)
	}
	return parsed.Amount.Int64(), nil
}
