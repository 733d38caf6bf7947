package chain

import (
	"context"
	"fmt"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// Verdict is how the chain ended a claim.
type Verdict uint8

// The verdicts of x/tokenomics.
const (
	VerdictSettled   Verdict = iota // paid
	VerdictExpired                  // a required proof was missing or invalid
	VerdictDiscarded                // the claim could not be processed
)

// Settlement is the end of one claim. The events name a claim by its supplier,
// application, service and session end, which together identify the session.
type Settlement struct {
	Supplier, Application, Service string
	SessionEnd                     int64
	Verdict                        Verdict
	Reason                         string // why it was not paid
	Relays                         uint64
	Upokt                          uint64 // uPOKT settled for the claim
	ProofRequired                  bool
}

// Settlements returns the claims that the block at height settled, expired or
// discarded, in the order of the block's events.
func (c *Client) Settlements(ctx context.Context, height int64) ([]Settlement, error) {
	out, err := c.outcomes.get(ctx, height)
	if err != nil {
		return nil, err
	}
	settlements, err := out.settlements()
	if err != nil {
		return nil, fmt.Errorf("block at height %d: %w", height, err)
	}
	return settlements, nil
}

func settlementsOf(events []abci.Event) (settlements []Settlement, _ error) {
	for _, event := range events {
		s, ok, err := settlementOf(event)
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", event.Type, err)
		}
		if ok {
			settlements = append(settlements, s)
		}
	}
	return settlements, nil
}

func settlementOf(event abci.Event) (Settlement, bool, error) {
	switch event.Type {
	case "pocket.tokenomics.EventClaimSettled", "pocket.tokenomics.EventClaimExpired", "pocket.tokenomics.EventClaimDiscarded":
	default:
		return Settlement{}, false, nil
	}
	// BaseApp adds a "mode" attribute to events of the block's end; it is no
	// field of the message.
	event.Attributes = slices.DeleteFunc(slices.Clone(event.Attributes), func(a abci.EventAttribute) bool {
		return a.Key == "mode"
	})
	msg, err := sdk.ParseTypedEvent(event)
	if err != nil {
		return Settlement{}, false, err
	}
	switch e := msg.(type) {
	case *tokenomicstypes.EventClaimSettled:
		return settledOf(e)
	case *tokenomicstypes.EventClaimExpired:
		return Settlement{
			Supplier: e.SupplierOperatorAddress, Application: e.ApplicationAddress, Service: e.ServiceId,
			SessionEnd: e.SessionEndBlockHeight, Verdict: VerdictExpired, Reason: e.ExpirationReason.String(),
			Relays: e.NumRelays, ProofRequired: true,
		}, true, nil
	case *tokenomicstypes.EventClaimDiscarded:
		return Settlement{
			Supplier: e.SupplierOperatorAddress, Application: e.ApplicationAddress, Service: e.ServiceId,
			SessionEnd: e.SessionEndBlockHeight, Verdict: VerdictDiscarded, Reason: e.Error,
		}, true, nil
	}
	return Settlement{}, false, fmt.Errorf("unexpected message %T", msg)
}

func settledOf(e *tokenomicstypes.EventClaimSettled) (Settlement, bool, error) {
	amount := e.SettledUpokt
	if amount == "" {
		amount = e.ClaimedUpokt
	}
	coin, err := sdk.ParseCoinNormalized(amount)
	if err != nil {
		return Settlement{}, false, fmt.Errorf("settled amount %q: %w", amount, err)
	}
	return Settlement{
		Supplier: e.SupplierOperatorAddress, Application: e.ApplicationAddress, Service: e.ServiceId,
		SessionEnd: e.SessionEndBlockHeight, Verdict: VerdictSettled,
		Relays: e.NumRelays, Upokt: coin.Amount.Uint64(), ProofRequired: e.ProofRequirementInt != 0,
	}, true, nil
}
