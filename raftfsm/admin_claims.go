package raftfsm

import (
	"context"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// ResubmitClaim implements adminpb.AdminServer.
func (a *admin) ResubmitClaim(ctx context.Context, request *adminpb.ResubmitClaimRequest) (*adminpb.ResubmitClaimResponse, error) {
	if a.node.cfg.Resubmit == nil {
		return nil, adminError(ErrNotLeader)
	}
	key := chain.SessionKey{Supplier: request.GetSupplier(), SessionID: request.GetSessionId()}
	intent, err := a.node.cfg.Resubmit(ctx, key)
	if err != nil {
		return nil, adminError(err)
	}
	return &adminpb.ResubmitClaimResponse{Kind: intent.Kind.String(), Intent: intent.Key().String(), TxHash: intent.TxHash}, nil
}
