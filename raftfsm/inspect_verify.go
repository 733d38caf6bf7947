package raftfsm

import (
	"context"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// StateHash implements adminpb.InspectServer.
func (i *inspect) StateHash(ctx context.Context, request *adminpb.StateHashRequest) (*adminpb.StateHashResponse, error) {
	hash, err := i.node.fsm.marks.await(ctx, request.GetIndex())
	if err != nil {
		return nil, adminError(err)
	}
	return &adminpb.StateHashResponse{Id: i.node.cfg.NodeID, Hash: hash[:], Commands: uint32(CommandSet)}, nil
}

// Verify implements adminpb.InspectServer.
func (i *inspect) Verify(ctx context.Context, _ *adminpb.VerifyRequest) (*adminpb.VerifyResponse, error) {
	v, err := i.node.Verify(ctx)
	if err != nil {
		return nil, adminError(err)
	}
	response := &adminpb.VerifyResponse{Index: v.Index, Hash: v.Hash}
	for _, m := range v.Members {
		response.Members = append(response.Members, &adminpb.MemberHash{
			Id: m.ID, Address: m.Address, Suffrage: m.Suffrage, Leader: m.Leader, Hash: m.Hash, Error: m.Error,
		})
	}
	return response, nil
}
