package raftfsm

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// inspect shows the state and the log to operators.
type inspect struct {
	adminpb.UnimplementedInspectServer
	node *Node
}

// Sessions implements adminpb.InspectServer.
func (i *inspect) Sessions(_ context.Context, request *adminpb.SessionsRequest) (*adminpb.SessionsResponse, error) {
	from := chain.SessionKey{Supplier: request.GetSupplier()}
	if token := request.GetPageToken(); token != "" {
		last, err := ParseSessionName(token)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		from = last
	}
	if err := checkWord("stage", request.GetStage(), Stages()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	p, response := newPage(request.GetPageSize()), &adminpb.SessionsResponse{AppliedIndex: i.node.raft.AppliedIndex()}
	i.node.View(func(s *State) { response.Sessions = sessionsPage(s, p, from, request) })
	response.NextPageToken = p.next()
	return response, nil
}

func sessionsPage(s *State, p *page, from chain.SessionKey, request *adminpb.SessionsRequest) (found []*adminpb.SessionRecord) {
	var last *Session
	s.sessionsFrom(from, func(r *Session) bool {
		if request.GetPageToken() != "" && r.Ref.Key() == from {
			return true
		}
		if request.GetSupplier() != "" && r.Ref.Supplier != request.GetSupplier() {
			return false // suppliers come in order: this is past the one
		}
		if !p.room(len(found)) {
			return false
		}
		last = r
		if fits(request.GetService(), r.Ref.Service) && fits(request.GetStage(), r.Stage.String()) {
			found = append(found, sessionRecord(r))
		}
		return true
	})
	if last != nil {
		p.last = SessionName(last.Ref.Key())
	}
	return found
}

// Session implements adminpb.InspectServer.
func (i *inspect) Session(_ context.Context, request *adminpb.SessionRequest) (*adminpb.SessionResponse, error) {
	key := chain.SessionKey{Supplier: request.GetSupplier(), SessionID: request.GetSessionId()}
	var response *adminpb.SessionResponse
	i.node.View(func(s *State) {
		if found := s.session(key); found != nil {
			response = s.account(found)
		}
	})
	if response == nil && i.node.cfg.Ledger != nil {
		var err error
		if response, err = i.node.cfg.Ledger.Find(key); err != nil {
			return nil, adminError(err)
		}
	}
	if response == nil {
		return nil, adminError(fmt.Errorf("session %s: %w", SessionName(key), ErrNotFound))
	}
	return response, nil
}

// Intents implements adminpb.InspectServer.
func (i *inspect) Intents(_ context.Context, request *adminpb.IntentsRequest) (*adminpb.IntentsResponse, error) {
	var from IntentKey
	if token := request.GetPageToken(); token != "" {
		last, err := parseIntentName(token)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		from = last
	}
	if err := checkWord("kind", request.GetKind(), []EffectKind{EffectClaim, EffectProof}); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := checkWord("status", request.GetStatus(), []IntentStatus{IntentPending, IntentLanded, IntentDead}); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	p, response := newPage(request.GetPageSize()), &adminpb.IntentsResponse{AppliedIndex: i.node.raft.AppliedIndex()}
	i.node.View(func(s *State) { response.Intents = intentsPage(s, p, from, request) })
	response.NextPageToken = p.next()
	return response, nil
}

func intentsPage(s *State, p *page, from IntentKey, request *adminpb.IntentsRequest) (found []*adminpb.IntentRecord) {
	var last *Intent
	s.intentsFrom(from, func(r *Intent) bool {
		if request.GetPageToken() != "" && r.Key() == from {
			return true
		}
		if !p.room(len(found)) {
			return false
		}
		last = r
		if fits(request.GetSupplier(), r.Supplier) && fits(request.GetKind(), r.Kind.String()) &&
			fits(request.GetStatus(), r.Status.String()) {
			found = append(found, intentRecord(r))
		}
		return true
	})
	if last != nil {
		p.last = last.Key().String()
	}
	return found
}

// fits says that a filter lets a value through.
func fits(filter, value string) bool { return filter == "" || filter == value }

// checkWord refuses a filter that nothing could ever fit.
func checkWord[T fmt.Stringer](what, word string, known []T) error {
	if word == "" || slices.ContainsFunc(known, func(k T) bool { return k.String() == word }) {
		return nil
	}
	return fmt.Errorf("%s %q: want one of %v", what, word, known)
}

// RecordOf is a session as operators see it.
func RecordOf(s Session) *adminpb.SessionRecord { return sessionRecord(&s) }

func sessionRecord(r *Session) *adminpb.SessionRecord {
	return &adminpb.SessionRecord{
		Supplier: r.Ref.Supplier, SessionId: r.Ref.SessionID, Service: r.Ref.Service, Application: r.Ref.Application,
		StartHeight: r.Ref.StartHeight, EndHeight: r.Ref.EndHeight,
		Stage: r.Stage.String(), Reason: r.Reason, Seq: r.Seq, Root: r.Root, Relays: r.Count, ComputeUnits: r.Sum,
		Proof: r.ProofRequired.String(), ClaimHeight: r.ClaimHeight, ProofHeight: r.ProofHeight,
		EndedHeight: r.EndedHeight, Upokt: r.Upokt, Archives: r.Archives,
		FirstHeight: r.FirstHeight, SealHeight: r.SealHeight, EndedUnix: r.EndedTime, WorthUpokt: r.Worth, RelaysLost: r.Lost,
	}
}

// intentRecord leaves the transaction out: its hash finds it on chain.
func intentRecord(i *Intent) *adminpb.IntentRecord {
	record := &adminpb.IntentRecord{
		Batch: i.Batch, Attempt: i.Attempt, Kind: i.Kind.String(), Supplier: i.Supplier,
		TimeoutUnixMs: time.Unix(0, i.Timeout).UnixMilli(), TxHash: i.TxHash, Status: i.Status.String(),
		Code: i.Code, Reason: i.Reason, Height: i.Height,
		IntendedHeight: i.IntendedHeight,
	}
	for _, s := range i.Sessions {
		record.Sessions = append(record.Sessions, s.SessionID)
	}
	return record
}
