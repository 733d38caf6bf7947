package raftfsm

import (
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// Metadata of the admin API.
const (
	StaleKey = "raftminer-stale" // "1": any member may answer this read
	hopsKey  = "raftminer-hops"
)

// maxHops ends a question that members pass on to each other while they disagree
// on who leads.
const maxHops = 2

// answerer says which member answers a method.
type answerer int

const (
	anyMember   answerer = iota
	freshMember          // the leader, unless a stale answer will do
	leaderOnly
)

func answererOf(method string) answerer {
	switch method {
	case adminpb.Admin_Members_FullMethodName, adminpb.Inspect_Sessions_FullMethodName,
		adminpb.Inspect_Session_FullMethodName, adminpb.Inspect_Intents_FullMethodName,
		adminpb.Inspect_Accounts_FullMethodName:
		return freshMember
	case adminpb.Admin_TransferLeader_FullMethodName, adminpb.Admin_AddMember_FullMethodName,
		adminpb.Admin_Promote_FullMethodName, adminpb.Admin_Demote_FullMethodName,
		adminpb.Admin_Remove_FullMethodName, adminpb.Admin_Drain_FullMethodName, adminpb.Admin_ResubmitClaim_FullMethodName,
		adminpb.Inspect_Verify_FullMethodName, adminpb.Inspect_Bench_FullMethodName:
		return leaderOnly
	}
	return anyMember
}

// passOn answers here what this member may answer, and asks the leader for the rest.
func (a *admin) passOn(ctx context.Context, request any, info *grpc.UnaryServerInfo, answer grpc.UnaryHandler) (any, error) {
	who := answererOf(info.FullMethod)
	if who == anyMember || who == freshMember && firstValue(ctx, StaleKey) == "1" || a.node.raft.State() == raft.Leader {
		return answer(ctx, request)
	}
	conn, onward, err := a.toLeader(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	message, err := newAnswer(info.FullMethod)
	if err != nil {
		return nil, err
	}
	return message, conn.Invoke(onward, info.FullMethod, request, message)
}

// toLeader is the leader's admin API, and the context of a question to it.
func (a *admin) toLeader(ctx context.Context) (*grpc.ClientConn, context.Context, error) {
	hops, err := strconv.Atoi(firstValue(ctx, hopsKey))
	if err != nil {
		hops = 0
	}
	addr, id := a.node.raft.LeaderWithID()
	switch {
	case addr == "":
		return nil, nil, status.Error(codes.FailedPrecondition, "no leader is known")
	case hops >= maxHops:
		return nil, nil, status.Errorf(codes.FailedPrecondition, "members disagree on who leads; %s would ask %s", a.node.cfg.NodeID, id)
	}
	conn, err := a.node.peerConn(string(addr))
	if err != nil {
		return nil, nil, status.Error(codes.Unavailable, err.Error())
	}
	return conn, metadata.AppendToOutgoingContext(ctx, hopsKey, strconv.Itoa(hops+1)), nil
}

func firstValue(ctx context.Context, key string) string {
	if values := metadata.ValueFromIncomingContext(ctx, key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// newAnswer is an empty message of the type that a method answers with.
func newAnswer(method string) (proto.Message, error) {
	service, name := path.Split(strings.TrimPrefix(method, "/"))
	service = strings.TrimSuffix(service, "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, status.Errorf(codes.Unimplemented, "%s: %v", method, err)
	}
	described, ok := found.(protoreflect.ServiceDescriptor)
	if !ok || described.Methods().ByName(protoreflect.Name(name)) == nil {
		return nil, status.Errorf(codes.Unimplemented, "no method %s", method)
	}
	output := described.Methods().ByName(protoreflect.Name(name)).Output()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(output.FullName())
	if err != nil {
		return nil, status.Errorf(codes.Unimplemented, "%s: %v", method, err)
	}
	return kind.New().Interface(), nil
}

// adminError gives an error the code that operators' tools go by.
func adminError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(adminCode(err), err.Error())
}

func adminCode(err error) codes.Code {
	is := func(sentinels ...error) bool {
		return slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) })
	}
	switch {
	case is(ErrNotLeader, ErrStaleEpoch, ErrNotHeld):
		return codes.FailedPrecondition
	case is(ErrNotFound):
		return codes.NotFound
	case is(ErrBehind):
		return codes.OutOfRange
	case is(ErrTransferSpent, ErrNoSuccessor, ErrNotVoter, ErrAlreadyLeader, ErrDuplicate, ErrAddressInUse,
		ErrIsLeader, ErrQuorumRisk, ErrOwnData, ErrLostData, ErrHeldBack, ErrConflict, ErrRollback):
		return codes.Aborted
	case is(ErrInvalid, ErrPeer, ErrCorrupt, ErrClusterMismatch):
		return codes.InvalidArgument
	case is(ErrUnreachable):
		return codes.DeadlineExceeded // not Unavailable: another member would not reach it either
	case is(ErrClosed, ErrUncertain):
		return codes.Unavailable
	}
	return codes.Unknown
}
