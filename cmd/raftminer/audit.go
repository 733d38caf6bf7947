package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// errGaps: something does not add up. The table says what.
var errGaps = errors.New("the books do not add up")

// gapRow is something that does not add up.
type gapRow struct {
	Supplier string `json:"supplier"`
	Session  string `json:"session"`
	Identity string `json:"identity"`
	Detail   string `json:"detail"`
}

func auditCommand() *cobra.Command {
	a := &accounts{}
	cmd := a.command(&cobra.Command{
		Use:   "audit",
		Short: "Whether everything adds up: every session by itself, and with the claims that the chain still has",
		Long: "Whether everything adds up. Every session by itself: claimed = proved + not required + lost + unresolved, the root\n" +
			"has the relays that were recorded, no more was paid than it is worth. And with the chain, for claims that are not\n" +
			"settled yet: what it has is ours, with our root, and what we say is there is there; a claim of a supplier with a\n" +
			"key here that this group did not make is foreign. Exit code 3 when something does not add up; no row when all does.",
		Args: exactArgs(0),
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error { return a.audit(ctx, cmd) })
	a.filters(cmd, "")
	return cmd
}

func (a *accounts) audit(ctx context.Context, cmd *cobra.Command) error {
	list, err := a.all(ctx)
	if err != nil {
		return err
	}
	var rows []gapRow
	open := make(map[int64][]*adminpb.SessionRecord) // claims may be on chain, by session end
	for _, account := range list {
		s := account.GetSession()
		for _, gap := range ledger.Check(s) {
			rows = append(rows, gapOf(s, string(gap.Identity), gap.Detail))
		}
		if s.GetEndedHeight() == 0 && s.GetSealHeight() > 0 {
			open[s.GetEndHeight()] = append(open[s.GetEndHeight()], s)
		}
	}
	for end, sessions := range open {
		height, err := a.height(ctx)
		if err != nil {
			return err
		}
		there, err := a.chain.ClaimsEndingAt(ctx, end, height)
		if err != nil {
			return err
		}
		windows, err := a.chain.Windows(ctx, end)
		if err != nil {
			return err
		}
		for _, s := range sessions {
			claim, found := there[chain.SessionKey{Supplier: s.GetSupplier(), SessionID: s.GetSessionId()}]
			if detail := compareClaim(s, claim, found, height < windows.Settlement); detail != "" {
				rows = append(rows, gapOf(s, "chain", detail))
			}
		}
	}
	slices.SortFunc(rows, func(x, y gapRow) int {
		return cmp.Or(cmp.Compare(x.Supplier, y.Supplier), cmp.Compare(x.Session, y.Session), cmp.Compare(x.Identity, y.Identity))
	})
	others, err := a.foreign(ctx, list)
	if err != nil {
		return err
	}
	rows = append(rows, others...)
	if err := show(cmd, a.output, rows); err != nil {
		return err
	}
	if len(rows) > 0 {
		return errGaps
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d sessions add up, %d of them with the chain\n", len(list), count(open))
	return nil
}

func count[K comparable, V any](lists map[K][]V) (n int) {
	for _, list := range lists {
		n += len(list)
	}
	return n
}

func gapOf(s *adminpb.SessionRecord, identity, detail string) gapRow {
	return gapRow{Supplier: s.GetSupplier(), Session: s.GetSessionId(), Identity: identity, Detail: detail}
}

// compareClaim says how the chain differs from what the group knows. The chain may be
// ahead: what landed in the last block is not in the state yet. unsettled says that a
// claim must still be there.
func compareClaim(s *adminpb.SessionRecord, claim prooftypes.Claim, found, unsettled bool) string {
	switch {
	case !found && unsettled && s.GetClaimHeight() > 0:
		return fmt.Sprintf("claimed at height %d, the chain has no claim", s.GetClaimHeight())
	case !found:
		return ""
	case !bytes.Equal(claim.RootHash, s.GetRoot()):
		return fmt.Sprintf("the claim on chain has root %x, sealed is %x: does a second miner use the key?", claim.RootHash, s.GetRoot())
	case s.GetProofHeight() > 0 && claim.ProofValidationStatus != prooftypes.ClaimProofStatus_VALIDATED:
		return fmt.Sprintf("proved at height %d, the chain says %s", s.GetProofHeight(), claim.ProofValidationStatus)
	case claim.ProofValidationStatus == prooftypes.ClaimProofStatus_INVALID:
		return "the chain rejected the proof"
	}
	return ""
}
