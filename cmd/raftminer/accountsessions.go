package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// amountsRow is how far what was served has come, for one session or many.
type amountsRow struct {
	Relays       uint64 `json:"relays"`
	ComputeUnits uint64 `json:"compute_units"`
	Served       uint64 `json:"served_upokt"` // by the chain's prices, known from the seal on
	Claimed      uint64 `json:"claimed_upokt"`
	Proved       uint64 `json:"proved_upokt"`
	NotRequired  uint64 `json:"not_required_upokt"` // claimed, and needs no proof
	Settled      uint64 `json:"settled_upokt"`      // paid
	Lost         uint64 `json:"lost_upokt"`
}

func amountsOf(a ledger.Account) amountsRow {
	return amountsRow{
		Relays: a.Served.Relays, ComputeUnits: a.Served.ComputeUnits, Served: a.Served.Upokt, Claimed: a.Claimed.Upokt,
		Proved: a.Proved.Upokt, NotRequired: a.NotRequired.Upokt, Settled: a.Settled.Upokt, Lost: a.Lost.Upokt,
	}
}

type accountRow struct {
	Supplier string `json:"supplier"`
	Session  string `json:"session"`
	Service  string `json:"service"`
	End      int64  `json:"session_end"`
	Stage    string `json:"stage"`
	amountsRow
	RelaysLost uint64 `json:"relays_lost"` // by redis, before they could be claimed
	Reason     string `json:"reason"`
}

func accountSessionsCommand() *cobra.Command {
	a := &accounts{}
	cmd := a.command(&cobra.Command{
		Use: "sessions", Short: "Every session: what was served, claimed, proved, paid and lost, in uPOKT", Args: exactArgs(0),
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		list, err := a.all(ctx)
		if err != nil {
			return err
		}
		var rows []accountRow
		for _, account := range list {
			s := account.GetSession()
			rows = append(rows, accountRow{
				Supplier: s.GetSupplier(), Session: s.GetSessionId(), Service: s.GetService(), End: s.GetEndHeight(), Stage: s.GetStage(),
				amountsRow: amountsOf(ledger.Of(s)), RelaysLost: s.GetRelaysLost(), Reason: s.GetReason(),
			})
		}
		return show(cmd, a.output, rows)
	})
	a.filters(cmd, "1d")
	return cmd
}

type claimRow struct {
	Supplier    string `json:"supplier"`
	Session     string `json:"session"`
	Stage       string `json:"stage"`
	ClaimHeight int64  `json:"claim_height"`
	ClaimTx     string `json:"claim_tx"`
	ClaimTries  int    `json:"claim_tries"`
	Proof       string `json:"proof"`
	ProofHeight int64  `json:"proof_height"`
	ProofTx     string `json:"proof_tx"`
	ProofTries  int    `json:"proof_tries"`
	Worth       uint64 `json:"worth_upokt"`
}

func accountClaimsCommand() *cobra.Command {
	a := &accounts{}
	cmd := a.command(&cobra.Command{
		Use: "claims", Short: "The claim and the proof of every sealed session, and the transactions that carried them", Args: exactArgs(0),
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		list, err := a.all(ctx)
		if err != nil {
			return err
		}
		var rows []claimRow
		for _, account := range list {
			s := account.GetSession()
			if s.GetStage() == raftfsm.StageActive.String() {
				continue
			}
			row := claimRow{
				Supplier: s.GetSupplier(), Session: s.GetSessionId(), Stage: s.GetStage(), ClaimHeight: s.GetClaimHeight(),
				Proof: s.GetProof(), ProofHeight: s.GetProofHeight(), Worth: s.GetWorthUpokt(),
			}
			row.ClaimTx, row.ClaimTries = lastTx(account, raftfsm.EffectClaim)
			row.ProofTx, row.ProofTries = lastTx(account, raftfsm.EffectProof)
			rows = append(rows, row)
		}
		return show(cmd, a.output, rows)
	})
	a.filters(cmd, "1d")
	cmd.AddCommand(resubmitCommand())
	return cmd
}

// lastTx is the hash of the last transaction of a kind, and how many there were.
func lastTx(account *adminpb.SessionResponse, kind raftfsm.EffectKind) (hash string, tries int) {
	var last int64
	for _, i := range account.GetIntents() {
		if i.GetKind() != kind.String() {
			continue
		}
		if tries++; i.GetTimeoutUnixMs() >= last {
			last, hash = i.GetTimeoutUnixMs(), fmt.Sprintf("%X", i.GetTxHash())
		}
	}
	return hash, tries
}
