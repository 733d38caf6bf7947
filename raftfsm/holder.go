package raftfsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

var (
	// ErrNoTree: the holder of its partition knows no relay of a session.
	ErrNoTree = errors.New("no relay of the session")
	// ErrNotHeld: the partition is not held here, or not yet.
	ErrNotHeld = errors.New("partition is not held here")
)

// Holder is what a member does for the leader with the partitions that it holds, and
// the trees that it archived. The fence in Redis decides whether it still may.
type Holder interface {
	// SealTree makes the tree of a session final. It may be repeated: the first seal
	// stands. Now says that no relay is waited for that relayers may still bring.
	// ErrNoTree and ErrNotHeld are its refusals.
	SealTree(ctx context.Context, key chain.SessionKey, now bool) (Progress, error)
	// ForgetTree removes what is stored of a session. It may be repeated.
	ForgetTree(ctx context.Context, key chain.SessionKey) error
	// ProveTree marshals the proof of the leaf closest to path in an archived tree.
	// ErrNoTree is its refusal.
	ProveTree(ctx context.Context, key chain.SessionKey, root, path []byte) ([]byte, error)
}

// SealAt has a tree sealed by the member that holds its partition.
func (n *Node) SealAt(ctx context.Context, member string, epoch Epoch, key chain.SessionKey, now bool) (sealed Progress, err error) {
	err = n.askPeer(ctx, member, func(c adminpb.PeerClient) error {
		answer, err := c.SealTree(ctx, &adminpb.SealTreeRequest{
			Epoch: epochToPB(epoch), Supplier: key.Supplier, SessionId: key.SessionID, Now: now,
		})
		if err != nil {
			return err
		}
		t := answer.GetTree()
		if t == nil {
			return ErrNoTree
		}
		sealed = Progress{
			Ref: chain.SessionRef{
				Supplier: t.GetSupplier(), SessionID: t.GetSessionId(), Service: t.GetService(), Application: t.GetApplication(),
				StartHeight: t.GetStartHeight(), EndHeight: t.GetEndHeight(),
			},
			Seq: t.GetSeq(), Root: t.GetRoot(), Count: t.GetRelays(), Sum: t.GetComputeUnits(),
		}
		if sealed.Ref.Key() != key {
			return fmt.Errorf("%w: it answered with session %s of %s", ErrPeer, sealed.Ref.SessionID, sealed.Ref.Supplier)
		}
		return nil
	})
	if err != nil {
		return Progress{}, fmt.Errorf("seal session %s on %s: %w", key.SessionID, member, err)
	}
	return sealed, nil
}

// ForgetAt has the member that holds its partition remove a tree.
func (n *Node) ForgetAt(ctx context.Context, member string, epoch Epoch, key chain.SessionKey) error {
	err := n.askPeer(ctx, member, func(c adminpb.PeerClient) error {
		_, err := c.ForgetTree(ctx, &adminpb.ForgetTreeRequest{
			Epoch: epochToPB(epoch), Supplier: key.Supplier, SessionId: key.SessionID,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("forget session %s on %s: %w", key.SessionID, member, err)
	}
	return nil
}

// ProveAt has a member prove a sealed tree that it archived.
func (n *Node) ProveAt(ctx context.Context, member string, epoch Epoch, key chain.SessionKey, root, path []byte) (proof []byte, err error) {
	err = n.askPeer(ctx, member, func(c adminpb.PeerClient) error {
		answer, err := c.ProveTree(ctx, &adminpb.ProveTreeRequest{
			Epoch: epochToPB(epoch), Supplier: key.Supplier, SessionId: key.SessionID, Root: root, Path: path,
		})
		proof = answer.GetProof()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prove session %s on %s: %w", key.SessionID, member, err)
	}
	return proof, nil
}

// askPeer calls a member of the group. ErrUnreachable says that it did not answer.
func (n *Node) askPeer(ctx context.Context, member string, ask func(adminpb.PeerClient) error) (err error) {
	for _, s := range n.servers() {
		if s.ID != raft.ServerID(member) {
			continue
		}
		var conn *grpc.ClientConn
		if conn, err = n.peerConn(string(s.Address)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		err = ask(adminpb.NewPeerClient(conn))
		if code := status.Code(err); code == codes.Unavailable || code == codes.DeadlineExceeded {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return err
	}
	return fmt.Errorf("member %s: %w", member, ErrNotFound)
}

// SealTree seals for the leader of the newest epoch that is known here.
func (p *peer) SealTree(ctx context.Context, request *adminpb.SealTreeRequest) (*adminpb.SealTreeResponse, error) {
	if err := p.heed(request.GetEpoch()); err != nil {
		return nil, adminError(err)
	}
	key := chain.SessionKey{Supplier: request.GetSupplier(), SessionID: request.GetSessionId()}
	sealed, err := p.node.cfg.Holder.SealTree(ctx, key, request.GetNow())
	if errors.Is(err, ErrNoTree) {
		return &adminpb.SealTreeResponse{}, nil
	}
	if err != nil {
		return nil, adminError(err)
	}
	return &adminpb.SealTreeResponse{Tree: &adminpb.SessionRecord{
		Supplier: sealed.Ref.Supplier, SessionId: sealed.Ref.SessionID, Service: sealed.Ref.Service, Application: sealed.Ref.Application,
		StartHeight: sealed.Ref.StartHeight, EndHeight: sealed.Ref.EndHeight,
		Seq: sealed.Seq, Root: sealed.Root, Relays: sealed.Count, ComputeUnits: sealed.Sum,
	}}, nil
}

// ForgetTree removes for the leader of the newest epoch that is known here.
func (p *peer) ForgetTree(ctx context.Context, request *adminpb.ForgetTreeRequest) (*adminpb.ForgetTreeResponse, error) {
	if err := p.heed(request.GetEpoch()); err != nil {
		return nil, adminError(err)
	}
	key := chain.SessionKey{Supplier: request.GetSupplier(), SessionID: request.GetSessionId()}
	return &adminpb.ForgetTreeResponse{}, adminError(p.node.cfg.Holder.ForgetTree(ctx, key))
}

// ProveTree proves for the leader of the newest epoch that is known here.
func (p *peer) ProveTree(ctx context.Context, request *adminpb.ProveTreeRequest) (*adminpb.ProveTreeResponse, error) {
	if err := p.heed(request.GetEpoch()); err != nil {
		return nil, adminError(err)
	}
	key := chain.SessionKey{Supplier: request.GetSupplier(), SessionID: request.GetSessionId()}
	proof, err := p.node.cfg.Holder.ProveTree(ctx, key, request.GetRoot(), request.GetPath())
	if errors.Is(err, ErrNoTree) {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &adminpb.ProveTreeResponse{Proof: proof}, adminError(err)
}

// heed refuses leaders of the past. One that this member has not heard of yet is
// obeyed: a follower learns of an epoch later than the leader itself.
func (p *peer) heed(asked *adminpb.LeaderEpoch) error {
	epoch := Epoch{Generation: asked.GetGeneration(), Term: asked.GetTerm()}
	var open Epoch
	p.node.View(func(s *State) { open, _ = s.Epoch() })
	if epoch.Compare(open) < 0 {
		return fmt.Errorf("%w: %s, open is %s", ErrStaleEpoch, epoch, open)
	}
	if p.node.cfg.Holder == nil {
		return ErrNotHeld
	}
	return nil
}

func epochToPB(e Epoch) *adminpb.LeaderEpoch {
	return &adminpb.LeaderEpoch{Generation: e.Generation, Term: e.Term}
}
