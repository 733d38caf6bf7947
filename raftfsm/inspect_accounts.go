package raftfsm

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// Tokens of pages of accounts begin with where they go on.
const (
	liveToken   = "live:"
	ledgerToken = "ledger:"
)

// Accounts implements adminpb.InspectServer. What is live comes first: a session that
// is forgotten meanwhile comes twice then, but never not at all.
func (i *inspect) Accounts(_ context.Context, request *adminpb.AccountsRequest) (*adminpb.AccountsResponse, error) {
	token := request.GetPageToken()
	if token == "" && request.GetLedger() {
		token = ledgerToken
	}
	response := &adminpb.AccountsResponse{}
	if rest, is := strings.CutPrefix(token, ledgerToken); is {
		if i.node.cfg.Ledger == nil {
			return response, nil
		}
		kept, next, err := i.node.cfg.Ledger.Page(rest, int(newPage(request.GetPageSize()).size))
		if err != nil {
			return nil, adminError(err)
		}
		if next != "" {
			response.NextPageToken = ledgerToken + next
		}
		for _, account := range kept {
			if wanted(account.GetSession(), request) {
				response.Accounts = append(response.Accounts, account)
			}
		}
		return response, nil
	}
	var from chain.SessionKey
	if token != "" {
		var err error
		if from, err = ParseSessionName(strings.TrimPrefix(token, liveToken)); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	p := newPage(request.GetPageSize())
	i.node.View(func(s *State) { response.Accounts = accountsPage(s, p, from, request) })
	switch next := p.next(); {
	case next != "":
		response.NextPageToken = liveToken + next
	case !request.GetLive():
		response.NextPageToken = ledgerToken
	}
	return response, nil
}

func accountsPage(s *State, p *page, from chain.SessionKey, request *adminpb.AccountsRequest) (found []*adminpb.SessionResponse) {
	var last *Session
	s.sessionsFrom(from, func(r *Session) bool {
		if request.GetPageToken() != "" && r.Ref.Key() == from {
			return true
		}
		if !p.room(len(found)) {
			return false
		}
		last = r
		if account := s.account(r); wanted(account.GetSession(), request) {
			found = append(found, account)
		}
		return true
	})
	if last != nil {
		p.last = SessionName(last.Ref.Key())
	}
	return found
}

// wanted says that the filters let a session through.
func wanted(r *adminpb.SessionRecord, request *adminpb.AccountsRequest) bool {
	return fits(request.GetSupplier(), r.GetSupplier()) && fits(request.GetService(), r.GetService()) &&
		(r.GetEndedHeight() == 0 || r.GetEndedUnix() >= request.GetSinceUnix())
}
