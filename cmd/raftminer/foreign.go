package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// foreign finds claims on chain, of suppliers with a key here, that this group did not
// make.
func (a *accounts) foreign(ctx context.Context, list []*adminpb.SessionResponse) (rows []gapRow, err error) {
	known := make(map[chain.SessionKey]*adminpb.SessionRecord)
	for _, account := range list {
		s := account.GetSession()
		known[chain.SessionKey{Supplier: s.GetSupplier(), SessionID: s.GetSessionId()}] = s
	}
	ours := keystore.Load(keySources(a.cfg.Keys)).Keys
	height, err := a.height(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := a.unsettledEnds(ctx, height)
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		there, err := a.chain.ClaimsEndingAt(ctx, end, height)
		if err != nil {
			return nil, err
		}
		for key, claim := range there {
			if _, ok := ours[key.Supplier]; ok && a.asked(claim) && isForeign(known[key]) {
				rows = append(rows, gapRow{key.Supplier, key.SessionID, "foreign", foreignDetail(claim)})
			}
		}
	}
	slices.SortFunc(rows, func(x, y gapRow) int {
		return cmp.Or(cmp.Compare(x.Supplier, y.Supplier), cmp.Compare(x.Session, y.Session))
	})
	return rows, nil
}

// unsettledEnds are the ends of sessions that may have claims on chain at height.
func (a *accounts) unsettledEnds(ctx context.Context, height int64) (ends []int64, err error) {
	for at := height; at > 0; {
		params, err := a.chain.SharedParams(ctx, at)
		if err != nil {
			return nil, err
		}
		end := sharedtypes.GetSessionEndHeight(params, at)
		windows, err := a.chain.Windows(ctx, end)
		if err != nil {
			return nil, err
		}
		if height > windows.Settlement {
			return ends, nil
		}
		if height > windows.ClaimOpen {
			ends = append(ends, end)
		}
		at = sharedtypes.GetSessionStartHeight(params, at) - 1
	}
	return ends, nil
}

// asked says that the claim is among the sessions that the command is about.
func (a *accounts) asked(claim prooftypes.Claim) bool {
	return (a.request.Supplier == "" || a.request.Supplier == claim.SupplierOperatorAddress) &&
		(a.request.Service == "" || a.request.Service == claim.SessionHeader.GetServiceId())
}

// isForeign: the group never heard of the session, or ended it without a claim. One
// that is under way is compared with the chain elsewhere.
func isForeign(s *adminpb.SessionRecord) bool {
	return s == nil || s.GetEndedHeight() > 0 && s.GetClaimHeight() == 0
}

func foreignDetail(claim prooftypes.Claim) string {
	root := claim.GetRootHash()
	relays := "an unreadable number of"
	if count, err := claim.GetNumRelays(); err == nil {
		relays = fmt.Sprint(count)
	}
	return fmt.Sprintf("the chain has a claim of %s relays of service %s with root %x that this group did not make: does a second miner use the key?",
		relays, claim.SessionHeader.GetServiceId(), root)
}
